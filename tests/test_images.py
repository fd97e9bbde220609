"""Images of a prompt: what is sent of each, what is said of it, and what is refused."""

import base64
import contextlib
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.display import Image as NotebookImage
from matplotlib.figure import Figure
from PIL import Image

from lk_notebook import images
from lk_notebook.core import pictures
from lk_notebook.errors import ConfigurationError, PromptError

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def written(image, kind="PNG", **options):
    """The image as the bytes of a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noise(width, height, channels=3):
    """A picture that no format makes small."""
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


def sent(image):
    """What is sent of one image: its type, its bytes, and what is said."""
    (part,), notes = images.parts(image)
    head, data = part["image_url"]["url"].split(",")
    return head.removeprefix("data:image/").removesuffix(";base64"), base64.b64decode(data), notes


def seen(image):
    """What is sent of one image, as the model sees it."""
    picture = Image.open(io.BytesIO(sent(image)[1]))
    picture.load()
    return picture


def refused(image):
    """The two lines that say why an image is not sent."""
    with pytest.raises(PromptError) as error:
        images.parts(image)
    lines = str(error.value).split("\n")
    assert len(lines) == 2
    return lines


def small():
    """A picture of 4 × 3 pixels."""
    return Image.new("RGB", (4, 3), "red")


@pytest.fixture
def no_pillow(monkeypatch):
    """A notebook where Pillow is not installed."""
    for name in ("PIL", "PIL.Image", "PIL.ImageOps"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder the notebook stands in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_small_file_goes_byte_for_byte(folder, kind):
    """A file of a type that every provider takes is sent as it is, whatever its name says."""
    data = written(small(), kind)
    (folder / "picture.dat").write_bytes(data)

    assert sent("picture.dat") == (kind.lower(), data, [])


def test_an_animation_stays_one():
    """A small animated GIF is sent with all of its pictures."""
    data = written(small(), "GIF", save_all=True, append_images=[Image.new("RGB", (4, 3), "blue")])
    assert sent(data) == ("gif", data, [])


@pytest.mark.parametrize("named", [str, Path, lambda path: f"{path.parent}/../{path.parent.name}/{path.name}"])
def test_a_file_is_named_by_its_path(folder, named):
    """A text or a Path names a file."""
    (folder / "a b.png").write_bytes(PIXEL)
    assert sent(named(folder / "a b.png"))[1] == PIXEL


@pytest.mark.parametrize("of", [bytes, bytearray, memoryview])
def test_bytes_are_an_image(of):
    """Bytes that were read or downloaded are sent as they are."""
    assert sent(of(PIXEL)) == ("png", PIXEL, [])


@pytest.mark.parametrize("url", ["https://example.com/cat.jpg?w=1", "HTTP://example.com/x"])
def test_an_address_goes_as_it_is(url):
    """An address is sent, not fetched."""
    assert images.parts(url) == ([{"type": "image_url", "image_url": {"url": url, "detail": "auto"}}], [])


def test_a_data_url_says_its_true_type():
    """The bytes of a data: URL count, not the type it names."""
    url = f"data:image/jpg;base64,{base64.b64encode(PIXEL).decode()}"
    assert sent(url) == ("png", PIXEL, [])


@given(st.binary(max_size=200))
def test_a_data_url_holds_any_bytes(extra):
    """Percent signs or base64: the bytes come out the same."""
    data = b"GIF89a\x01\x00\x01\x00" + extra + b";"
    percent = "data:image/gif," + "".join(f"%{byte:02x}" for byte in data)
    assert sent(percent)[1] == sent(data)[1] == data


@pytest.mark.parametrize("detail", ["auto", "low", "high"])
@pytest.mark.parametrize("whole", [False, True])
def test_the_detail_of_an_image_is_told_in_a_dict(detail, whole):
    """A dict gives any image its detail; a whole part in OpenAI's form is read too."""
    given_ = {"url": "https://example.com/a.png", "detail": detail}
    given_ = {"type": "image_url", "image_url": given_} if whole else given_
    assert images.parts(given_)[0][0]["image_url"]["detail"] == detail


def test_several_images_keep_their_order(folder):
    """Several images, of different kinds, become as many parts."""
    (folder / "a.png").write_bytes(PIXEL)
    given_ = ["https://example.com/1", "a.png", small(), {"url": "https://example.com/2"}]

    urls = [part["image_url"]["url"] for part in images.parts(iter(given_))[0]]

    assert [url[:21] for url in urls] == [
        "https://example.com/1",
        *["data:image/png;base64"] * 2,
        "https://example.com/2",
    ]


@pytest.mark.parametrize("nothing", [None, [], ()])
def test_no_image_is_no_part(nothing):
    """Without images nothing is sent and nothing said."""
    assert images.parts(nothing) == ([], [])


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16", "I", "F", "YCbCr", "HSV", "LAB"])
def test_a_pil_image_of_any_mode_is_sent(mode):
    """Whatever its colours are written in, a PIL image becomes a picture of its size, and stays as it is."""
    image = Image.new(mode, (4, 3))
    before = image.tobytes()

    assert seen(image).size == (4, 3)
    assert (image.mode, image.tobytes()) == (mode, before)


def test_what_is_transparent_stays_so():
    """A transparent picture is sent as PNG with its transparency; one that hides nothing needs none."""
    image = Image.new("RGBA", (4, 3), (255, 0, 0, 128))
    assert seen(image).getpixel((0, 0)) == (255, 0, 0, 128)
    assert seen(Image.new("RGBA", (4, 3), "red")).mode == "RGB"


def test_a_microscopes_greys_are_seen():
    """A picture of 16-bit greys is stretched, not cut to white, and a note says so."""
    image = Image.fromarray(np.array([[1000, 3000], [5000, 9000]], np.uint16))

    _, data, (note,) = sent(image)

    assert list(Image.open(io.BytesIO(data)).tobytes()) == pytest.approx([0, 64, 127, 255], abs=1)
    assert "greys" in note


def test_a_large_image_is_shrunk_and_says_so(folder):
    """The longer side becomes 2 048 pixels, and a note tells both sizes."""
    Image.new("RGB", (4000, 3000), "blue").save(folder / "plot.png")

    kind, data, notes = sent("plot.png")

    assert (kind, pictures.size(data)) == ("png", (2048, 1536))
    assert notes == ["plot.png was shrunk from 4 000 × 3 000 to 2 048 × 1 536."]


def test_a_heavy_photo_becomes_a_jpeg():
    """A picture of more than 3 MB that PNG cannot make small is sent as JPEG of the same size."""
    data = written(Image.fromarray(noise(1100, 1100)))

    kind, shrunk, (note,) = sent(data)

    assert (kind, pictures.size(shrunk)) == ("jpeg", (1100, 1100))
    assert len(shrunk) <= 3_000_000
    assert note.startswith("The image was shrunk from 3.6 MB to ")


def test_a_heavy_transparent_picture_is_shrunk_until_it_fits():
    """PNG alone keeps what is transparent: so it becomes smaller in pixels."""
    kind, data, (note,) = sent(noise(900, 900, 4))
    assert (kind, Image.open(io.BytesIO(data)).mode) == ("png", "RGBA")
    assert len(data) <= 3_000_000
    assert "shrunk from 900 × 900 to" in note


def phone_photo(width, height):
    """A photo of a phone held upright: its file lies on its side, and knows where it was taken."""
    image = Image.new("RGB", (width, height), "green")
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it to the right
    exif.get_ifd(0x8825)[1] = "N"
    return written(image, "JPEG", exif=exif, comment=b"at home")


def test_a_photo_that_is_shrunk_stands_upright():
    """A photo is turned as its camera says before it is written again."""
    data = phone_photo(4000, 3000)
    assert seen(data).size == (1536, 2048)
    assert sent(data)[2] == ["The image was shrunk from 3 000 × 4 000 to 1 536 × 2 048."]


def test_a_photo_that_is_shrunk_does_not_say_where_it_was_taken():
    """The place and the comments of a photo do not go along when it is written again."""
    picture = seen(phone_photo(4000, 3000))
    assert not dict(picture.getexif())
    assert "comment" not in picture.info


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "PPM", "ICO"])
def test_other_types_are_converted(folder, kind):
    """A picture of a type that providers refuse is sent as PNG, and a note says so."""
    Image.new("RGB", (16, 16), "red").save(folder / "x", kind)
    assert sent("x")[::2] == ("png", ["x was converted to PNG."])
    assert seen("x").convert("RGB").getpixel((0, 0)) == (255, 0, 0)


def test_a_figure_is_drawn():
    """A matplotlib figure, or its axes, is sent as the notebook shows it."""
    axes = Figure(figsize=(2, 1), dpi=100).subplots()
    axes.plot([1, 2])
    assert sent(axes.figure) == sent(axes)
    assert seen(axes).width > 100


def test_a_figure_that_cannot_be_drawn_is_refused():
    """What the figure's own parts raise is told in two lines."""
    axes = Figure().subplots()
    axes.set_title("$\\broken{$")
    assert refused(axes)[0].startswith("The figure cannot be drawn: ValueError: ")


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 1), (3, 4, 3), (3, 4, 4)])
@pytest.mark.parametrize("kind", ["uint8", "int64", "float32", "bool"])
def test_an_array_is_an_image(shape, kind):
    """Greys, RGB and RGBA; integers up to 255, floats up to 1, and masks."""
    value = {"uint8": 128, "int64": 128, "float32": 0.5, "bool": True}[kind]

    picture = seen(np.full(shape, value, kind)[::-1, ::-1])

    assert picture.size == (4, 3)
    assert set(picture.tobytes()) == {255 if kind == "bool" else 128}


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3, 4]), st.integers(0, 99))
def test_the_pixels_of_an_array_come_out_as_they_are(width, height, channels, seed):
    """Each pixel of a small array is sent unchanged."""
    array = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    assert np.array_equal(np.asarray(seen(array)).reshape(array.shape), array)


def test_a_large_array_is_shrunk():
    """An array of more than 2 048 pixels a side is shrunk as a file is."""
    assert sent(np.zeros((3000, 4000), np.uint8))[2] == [
        "The array was shrunk from 4 000 × 3 000 to 2 048 × 1 536."
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("array", "mend"),
    [
        (np.zeros((3, 20, 20)), "moveaxis"),
        (np.zeros((2, 20, 20, 3)), "list"),
        (np.zeros(5), "list"),
        (np.zeros((0, 5)), "list"),
        (np.full((2, 2), 200.0), "Scale"),
        (np.full((2, 2), np.nan), "Scale"),
        (np.full((2, 2), 256), "Scale"),
        (np.full((2, 2), -1), "Scale"),
        (np.array([["a"]]), "uint8"),
    ],
)
def test_an_array_that_is_no_image_is_refused(array, mend):
    """An array of another shape or with other values is refused, with the mend."""
    assert mend in " ".join(refused(array))


def test_an_image_of_the_notebook_is_sent(folder):
    """IPython's Image gives its data; one that holds only an address is refused."""
    (folder / "a.png").write_bytes(PIXEL)
    assert sent(NotebookImage("a.png"))[1] == PIXEL
    assert sent(NotebookImage(data=PIXEL))[1] == PIXEL
    assert "url" in refused(NotebookImage(url="https://example.com/a.png"))[1]


def test_a_missing_file_says_which_was_meant(folder):
    """A slip in the name of a picture is named; other files of the folder are not."""
    (folder / "plot.png").write_bytes(PIXEL)
    (folder / "plots.key").write_bytes(b"private")
    assert refused("plto.png")[0] == "There is no file plto.png: did you mean plot.png?"
    assert refused("plots.kex")[0] == "There is no file plots.kex."


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("nowhere/a.png", "There is no folder nowhere."),
        (".", ". is a folder."),
        ("", "no path"),
        ("a\nb", "no path"),
        (base64.b64encode(bytes(9000)).decode(), "no path"),
        ("ftp://example.com/a.png", "http"),
        ("https://", "no address"),
        ("https://exa mple.com/a", "no address"),
        ("data:image/png", "cut off"),
        ("data:image/png;base64,????", "broken"),
        (b"", "empty"),
        (b"hello", "unknown type"),
        (b"<!doctype html><title>404</title>", "unknown type"),
        (b"<?xml version='1.0'?>\n<svg xmlns='x'/>", "SVG"),
        (b"%PDF-1.7", "PDF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (7, "An int is no image."),
        ([["a.png"]], "A list is no image."),
        ({"url": "https://example.com/a", "detail": "medium"}, "medium"),
        ({"detail": "low"}, "url"),
        ({"url": "https://example.com/a", "size": 1}, "size"),
    ],
)
def test_what_is_no_image_is_refused(image, said):
    """Two lines say what is wrong with it and the mend."""
    assert said in " ".join(refused(image))


def test_a_name_that_no_file_can_have_is_refused():
    """Python's own error does not come through, whatever a version makes of such a name."""
    assert refused("a\0b")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.99])
def test_a_picture_that_was_cut_off_is_refused(kind, kept):
    """A download that broke off is not sent."""
    data = written(Image.fromarray(noise(30, 30)), kind)
    assert "broken or cut off" in refused(data[: int(len(data) * kept)])[0]


def test_a_png_without_its_end_is_refused():
    """A PNG that broke off between two of its blocks is not sent."""
    assert "broken or cut off" in refused(PIXEL[:-12])[0]


@pytest.mark.parametrize("kind", ["TIFF", "BMP"])
def test_a_picture_that_cannot_be_converted_is_refused(kind):
    """The same of types that are converted."""
    data = written(Image.fromarray(noise(30, 30)), kind)
    assert "read" in " ".join(refused(data[: len(data) // 2]))


def test_one_wrong_byte_of_a_png_is_noticed():
    """A PNG whose data was damaged is not sent."""
    data = bytearray(written(Image.fromarray(noise(30, 30))))
    data[len(data) // 2] ^= 1
    assert "broken" in refused(data)[0]


@settings(deadline=None)  # the first picture loads all of Pillow
@given(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"]), st.data())
def test_damaged_pictures_are_sent_or_refused(kind, data):
    """Whatever byte is wrong, an image is sent, or two lines say why not."""
    picture = bytearray(written(small(), kind))
    picture[data.draw(st.integers(0, len(picture) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(PromptError):
        images.parts(bytes(picture))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (300, 7), (5, 260)])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("GIF", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"}),
    ],
)
def test_the_size_is_read_from_the_head_of_the_file(kind, options, width, height):
    """Each way to write a picture tells its width and height."""
    assert pictures.size(written(Image.new("RGB", (width, height)), kind, **options)) == (width, height)


@pytest.mark.usefixtures("no_pillow")
def test_a_good_picture_needs_no_pillow():
    """What is sent as it is, and arrays, go without Pillow."""
    assert sent(PIXEL) == ("png", PIXEL, [])
    assert sent(np.zeros((3, 4, 3), np.uint8))[0] == "png"


@pytest.mark.usefixtures("no_pillow")
def test_without_pillow_a_large_picture_says_the_mend():
    """What would have to be shrunk or converted is refused, and the mend names Pillow and the limits."""
    large = pictures.png(4000, 3000, 1, bytes(12_000_000))
    assert refused(large) == [
        "The image is too large to be sent: 4 000 × 3 000, 0.0 MB.",
        "pip install pillow, and it is done for you; or save it as PNG or JPEG of at most "
        "2 048 × 2 048 pixels and 3 MB.",
    ]
    assert "type BMP" in refused(b"BM" + bytes(60))[0]


def test_only_the_file_that_was_named_is_read(folder):
    """A pattern is a name like any other: no file that was not named is read."""
    (folder / "a.png").write_bytes(PIXEL)
    assert "There is no file *.png" in refused("*.png")[0]


def test_a_model_without_eyes_is_refused():
    """A model known to take no images is refused, and models that take them are named."""
    with pytest.raises(ConfigurationError, match=r"gpt-oss-120b takes no images\.\nThese do: openai/gpt-4o, google/"):
        images.refuse_if_blind("openai/gpt-oss-120b")


@pytest.mark.parametrize("model", ["openai/gpt-4o", "acme/brand-new-1", "llava:7b"])
def test_a_model_that_may_see_is_asked(model):
    """A model that takes images, or of which nothing is known, is asked."""
    images.refuse_if_blind(model)
