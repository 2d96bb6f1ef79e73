"""What stats.json and metrics.json say: numbers, targets, the verdict."""

from assay.records.base import Part, Quantity, Record, Status
from assay.records.running import Runtime


class Latency(Part, frozen=True, kw_only=True):
    """One scope of one configuration."""

    scope: str  # end_to_end | preprocess | model | postprocess
    uncontended: Quantity  # CPU median on one thread, or median of clean iterations
    experienced: dict[str, Quantity]  # p50, p90, p95, p99, min, max: wall
    normalised: Quantity  # ratio to the reference kernel
    wall_over_cpu: Quantity
    contended: bool


class Cold(Part, frozen=True, kw_only=True):
    """The first answer, taken apart."""

    start: Quantity  # interpreter and imports
    read: Quantity  # file read (page-cache state in note)
    build: Quantity
    first: Quantity
    note: str


class Memory(Part, frozen=True, kw_only=True):
    """Peaks by phase."""

    ram_idle: Quantity
    ram_build: Quantity
    ram_first: Quantity
    ram_steady: Quantity
    vram_allocated: Quantity
    vram_reserved: Quantity
    vram_process: Quantity


class Configuration(Part, frozen=True, kw_only=True):
    """What was measured in one fresh process."""

    id: str  # b1-t1-fp32
    batch: int
    threads: int
    precision: str
    status: Status
    runtime: Runtime | None
    warmup: int
    warmup_settled: bool
    latency: list[Latency]
    throughput: Quantity
    cold: Cold | None
    memory: Memory | None


class Noise(Part, frozen=True, kw_only=True):
    """The machine while measuring."""

    load_before: float
    load_after: float
    involuntary_switches: int
    steal_ticks: int | None
    pressure: str
    governor: str


class Hardware(Part, frozen=True, kw_only=True):
    """The machine that gave the numbers."""

    host: str
    cpu: str
    cores: int
    memory_mib: int
    gpus: list[str]


class Stats(Record, frozen=True, kw_only=True):
    """outputs/stats.json"""

    status: Status
    hardware: Hardware | None
    configurations: list[Configuration]
    noise: Noise | None
    method: str
    samples: str  # outputs/samples.json: wall, cpu and switches of every iteration


class Judged(Part, frozen=True, kw_only=True):
    """One target and what became of it."""

    key: str
    op: str
    limit: float
    unit: str
    measured: Quantity
    status: str  # met | missed | undecided
    why: str
    pointer: str


class Metric(Part, frozen=True, kw_only=True):
    """One quality figure, with what it means."""

    id: str
    quantity: Quantity
    definition: str
    method: str
    better: str  # higher | lower
    per_class: dict[str, float] = {}


class Metrics(Record, frozen=True, kw_only=True):
    """outputs/metrics.json"""

    metrics: list[Metric]
    targets: list[Judged]
    verdict: str  # GO | NO-GO | NOT DECIDED
    because: list[str]
