"""The edge: only here are httpx, keys in the clear and sockets."""
