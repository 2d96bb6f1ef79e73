"""The XML of an OpenVINO model, read by expat alone: no document type, no entities, nothing from elsewhere."""

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.parsers import expat

from assay.formats.given import Given
from assay.formats.opening import shown

LONGEST = 64 << 20  # bytes of XML
MOST_ELEMENTS = 500_000
DEEPEST = 200
LONGEST_TAG = 4 << 20  # bytes; the longest real ones hold some ten thousand labels
PIECE = 65_536
MOST_METADATA, MOST_TEXT, MOST_TEXTS = 1000, 65_536, 1 << 20
LONGEST_SIZE, LONGEST_NAME = 32, 4096  # characters of one dimension, and of a name
MOST_NAMES = 65_536  # of ports that are kept; the largest real models have some ten thousand
VERSIONS = ("10", "11")
EXPORT = "export it again"
COMMA = re.compile(r"(?<!\\),")  # between names; one that belongs to a name is written \,
CUT = ("no element found", "unclosed token", "partial character")  # what expat says of a file that ends too early


@dataclass(slots=True)
class Port:
    """Where a layer takes or gives a tensor."""

    output: bool
    id: str
    precision: str
    names: str
    sizes: list[str] = field(default_factory=list)

    def first_name(self) -> str:
        """Give the first of its names."""
        return COMMA.split(self.names[:LONGEST_NAME], maxsplit=1)[0].replace("\\,", ",")


@dataclass(slots=True)
class Layer:
    """One layer, as the file has it."""

    attributes: dict[str, str]
    inside: bool  # of a body that another layer carries out
    data: dict[str, str] = field(default_factory=dict)
    ports: list[Port] = field(default_factory=list)

    def says(self, key: str) -> str:
        """Give an attribute; "" when it is not there."""
        return self.attributes.get(key, "")[:LONGEST_NAME]


class Document:
    """A model's XML, read from its first byte to its last; each layer is handed on when it is complete."""

    def __init__(self, given: Given, take: Callable[[Layer], None]) -> None:
        self.given, self._take = given, take
        self.version = 0
        self.metadata: dict[str, str] = {}
        self.names: dict[tuple[str, str], str] = {}  # of what a layer gives at a port
        self.sources: dict[str, tuple[str, str]] = {}  # of results: the layer and port that they show
        self._results: set[str] = set()
        self._open: list[str] = []
        self._layers: list[Layer] = []
        self._size: list[str] | None = None
        self._elements, self._room = 0, MOST_TEXTS

    def read(self) -> None:
        """Read it."""
        if self.given.size > LONGEST:
            raise self.given.damaged(f"{self.given.size} bytes of XML: {LONGEST} are read at most", "")
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        try:
            self._feed(parser)
        except expat.ExpatError as error:
            why = expat.ErrorString(error.code)
            what = f"{'truncated' if why in CUT else 'damaged'}: its XML cannot be read (line {error.lineno}: {why})"
            raise self.given.damaged(what) from None

    def _feed(self, parser: expat.XMLParserType) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        fed = 0
        for at in range(0, self.given.size, PIECE):
            piece = decoder.decode(self.given.read(at, min(PIECE, self.given.size - at)))
            fed += len(piece.encode())
            parser.Parse(piece, False)
            if fed - max(0, parser.CurrentByteIndex) > LONGEST_TAG:
                raise self.given.damaged(f"a tag of more than {LONGEST_TAG} bytes, which no real model has", "")
        parser.Parse(decoder.decode(b"", True), True)

    # ------------------------------------------------------------ what expat calls
    def _doctype(self, *_: object) -> None:
        raise self.given.damaged("declares a document type (DOCTYPE), which no OpenVINO model does", "do not open it")

    def _start(self, name: str, attributes: "dict[str, str]") -> None:
        self._elements += 1
        if self._elements > MOST_ELEMENTS or len(self._open) >= DEEPEST:
            raise self.given.damaged(f"more than {MOST_ELEMENTS} elements, or more than {DEEPEST} in each other", "")
        above = self._open[-1] if self._open else ""
        self._open.append(name)
        if not above:
            self._root(attributes if name == "net" else {})
        elif name == "layer" and above == "layers":
            self._layers.append(Layer(attributes, inside=len(self._open) > 3))
        elif self._open[1] in ("rt_info", "meta_data"):
            self._note(name, attributes)
        elif self._open == ["net", "edges", "edge"]:
            self._edge(attributes)
        elif self._layers:
            self._part(name, above, attributes)

    def _root(self, attributes: "dict[str, str]") -> None:
        version = attributes.get("version", "")
        if version not in VERSIONS:
            raise self.given.damaged(f"is IR version {shown(version[:20]) or 'unknown'}: 10 and 11 are read", EXPORT)
        self.version = int(version)

    def _part(self, name: str, above: str, attributes: "dict[str, str]") -> None:
        """Take an element of a layer."""
        layer = self._layers[-1]
        if name == "data" and above == "layer":
            layer.data = attributes
        elif name == "port" and above in ("input", "output"):
            number, precision, names = (attributes.get(key, "") for key in ("id", "precision", "names"))
            layer.ports.append(Port(above == "output", number, precision, names))
        elif name == "dim" and above == "port" and layer.ports:
            self._size = []

    def _end(self, name: str) -> None:
        self._open.pop()
        if name == "dim" and self._size is not None:
            self._layers[-1].ports[-1].sizes.append("".join(self._size).strip()[:LONGEST_SIZE])
            self._size = None
        elif name == "layer" and self._layers and self._open[-1:] == ["layers"]:
            self._finish(self._layers.pop())

    def _text(self, text: str) -> None:
        if self._size is not None and len(self._size) < LONGEST_SIZE:
            self._size.append(text[:LONGEST_SIZE])

    # ------------------------------------------------------------ what is kept
    def _finish(self, layer: Layer) -> None:
        if not layer.inside:
            if layer.says("type") == "Result":
                self._results.add(layer.says("id"))
            for port in layer.ports:
                if port.output and port.names and len(self.names) < MOST_NAMES:
                    self.names[layer.says("id"), port.id] = port.first_name()
        self._take(layer)

    def _edge(self, attributes: "dict[str, str]") -> None:
        target = attributes.get("to-layer", "")
        if target in self._results:
            self.sources[target] = attributes.get("from-layer", ""), attributes.get("from-port", "")

    def _note(self, name: str, attributes: "dict[str, str]") -> None:
        """Keep what the model says about itself."""
        if "value" not in attributes or len(self.metadata) >= MOST_METADATA:
            return
        named = attributes.get("name", name) if name in ("info", "attribute") else name
        key, value = ".".join([*self._open[2:-1], named])[:1024], attributes["value"]
        self._room -= min(len(value), MOST_TEXT) + len(key)
        fits = len(value) <= MOST_TEXT and self._room >= 0
        self.metadata.setdefault(key, value if fits else f"(left out: {len(value)} characters)")
