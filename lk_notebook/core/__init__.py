"""Rules and values. Pure: no network, IPython, environment, clock or thread."""
