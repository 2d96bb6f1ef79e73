"""How a sound is prepared, as its feature extractor's settings say."""

from assay.huggingface.folder import CONFIG, Folder, claim, conflict
from assay.huggingface.plan import Settings, processor_name
from assay.records import Claim

WINDOW = {"n_fft": "n_fft", "hop_length": "hop_length", "feature_size": "mel_bins", "chunk_length": "seconds"}


def claims(folder: Folder, found: Settings) -> "list[Claim]":
    """State rate, window and normalisation."""
    values, kind = found.values, processor_name(found)

    def cite(*keys: str) -> "list":  # type: ignore[type-arg]
        return [folder.evidence(found.file, *found.keys, key) for key in keys if key in values]

    made = []
    rate = values.get("sampling_rate")
    if isinstance(rate, int):
        made.append(claim("pre.sample_rate", rate, *cite("sampling_rate"), unit="Hz"))
    if kind == "WhisperFeatureExtractor":
        there = {name: values[key] for key, name in WINDOW.items() if isinstance(values.get(key), int)}
        made.append(_bins(folder, claim("pre.window", there, *cite(*WINDOW))))
    if kind == "Wav2Vec2FeatureExtractor" and isinstance(values.get("do_normalize"), bool):
        how = "zero mean and unit variance of each clip" if values["do_normalize"] else "none"
        made.append(claim("pre.normalisation", how, *cite("do_normalize")))
    return made


def _bins(folder: Folder, made: Claim) -> Claim:
    """Compare the number of mel bands with the model's."""
    wanted = folder.value(CONFIG, "num_mel_bins")
    bins = made.value.get("mel_bins")
    if not isinstance(wanted, int) or bins is None or wanted == bins:
        return made
    why = f"the extractor makes {bins} mel bands, {CONFIG} says num_mel_bins {wanted}"
    return conflict("pre.window", made.value, why, *made.evidence, folder.evidence(CONFIG, "num_mel_bins"))
