"""The pieces of an adapter's text that are the same for every model of a kind; @NAME@ is filled in."""

GIVEN = '''
def given(model, tensors):
    """Hand arrays to the model by name."""
    return {name: torch.from_numpy(value).to(model.device) for name, value in tensors.items()}
'''

BUILD = '''
def build(*, checkpoint, device):
    """Return the model with the folder's weights, in float32; refuse weights that leave a part of it to chance."""
    model, report = @CLASS@.from_pretrained(  # @CLASS_AT@
        checkpoint,
        torch_dtype=torch.float32,
        local_files_only=True,
@TRUST@        output_loading_info=True,
    )
    lacking = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))
    if lacking:
        raise ValueError(f"the weights do not fill the model: {lacking[0]}")
    return model.to(device).eval()
'''

INFER = '''
def infer(model, tensors):
    """Return @WHAT@."""
    with torch.inference_mode():
        answer = model(**given(model, tensors))
    return {@OUTPUTS@}
'''

INFER_EMBED = '''
def infer(model, tensors):
    """Return what the last layer says, and the pooled vector where the model has one."""
    with torch.inference_mode():
        answer = model(**given(model, tensors))
    names = ("last_hidden_state", "pooler_output")
    return {name: answer[name] for name in names if answer.get(name) is not None}
'''

INFER_WRITE = '''
def infer(model, tensors@NEW@):
    """Return the scores of what comes next@AND@."""
    with torch.inference_mode():
        made = {"logits": model(**given(model, tensors)).logits[:, -1]}
@GENERATE@    return made
'''

NEW_TOKENS = ", *, new_tokens=16"
GENERATE = """        if new_tokens:
            made["written"] = model.generate(
                **given(model, tensors), max_new_tokens=new_tokens, do_sample=False, num_beams=1
            )
"""

INFER_TRANSCRIBE = '''
def infer(model, tensors):
    """Return the tokens that are heard, the likeliest one after the other."""
    with torch.inference_mode():
        return {"sequences": model.generate(**given(model, tensors), do_sample=False, num_beams=1)}
'''

# ---------------------------------------------------------------- pictures
PICTURE = '''
@functools.lru_cache
def processor(use_fast):
    """Load the folder's own processor."""
    return AutoImageProcessor.from_pretrained(
        PROCESSOR, local_files_only=True, use_fast=use_fast@TRUST_TOO@
    )


def opened(path):
    """Open a picture upright and in colour, as the library does."""
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def preprocess(path, *, use_fast=@FAST@):
    """Return the picture as the folder's processor prepares it; use_fast: by torchvision instead of PIL."""
    picture = opened(path)
    made = processor(use_fast)(images=picture, return_tensors="pt")
    return dict(made), {"size": [picture.height, picture.width]}
'''

ANSWER = '''
def answer_of(outputs):
    """Give arrays the form that the processor decodes."""
    return SimpleNamespace(**{name: torch.from_numpy(value) for name, value in outputs.items()})
'''

DETECT = '''
def postprocess(outputs, ctx, *, score_threshold=0.5):
    """Return the boxes found, best first, in pixels of the picture."""
    decode = processor(@FAST@).post_process_object_detection
    sizes = [tuple(ctx["size"])]
    found = decode(answer_of(outputs), threshold=score_threshold, target_sizes=sizes)[0]
    rows = zip(found["labels"].tolist(), found["scores"].tolist(), found["boxes"].tolist())
    things = [
        {"label": named(number), "score": round(score, 6), "box": [round(side, 2) for side in box]}
        for number, score, box in rows
    ]
    return sorted(things, key=lambda thing: -thing["score"])


def draw(path, result):
    """Return the picture with the boxes on it."""
    picture = opened(path)
    pen = ImageDraw.Draw(picture)
    for thing in result:
        pen.rectangle(thing["box"], outline="red", width=2)
        pen.text((thing["box"][0] + 3, thing["box"][1] + 2), f"{thing['label']} {thing['score']:.2f}", fill="red")
    return picture
'''

SEGMENT = '''
def postprocess(outputs, ctx):
    """Return how much of the picture each class covers, and the class of every pixel as runs along the rows."""
    decode = processor(@FAST@).post_process_semantic_segmentation
    found = decode(answer_of(outputs), target_sizes=[tuple(ctx["size"])])[0]
    numbers, counts = found.unique(return_counts=True)
    classes = [
        {"class": number, "label": named(number), "pixels": count, "share": round(count / found.numel(), 6)}
        for number, count in zip(numbers.tolist(), counts.tolist())
    ]
    values, lengths = found.flatten().unique_consecutive(return_counts=True)
    runs = [list(run) for run in zip(values.tolist(), lengths.tolist())]
    return {"classes": sorted(classes, key=lambda c: -c["pixels"]), "size": ctx["size"], "runs": runs}


def draw(path, result):
    """Return the picture under a colour for each class."""
    values, lengths = (torch.tensor(column) for column in zip(*result["runs"]))
    classes = values.repeat_interleave(lengths).reshape(result["size"])
    colours = torch.stack([(classes * step + shift) % 256 for step, shift in ((67, 31), (129, 7), (29, 151))], -1)
    return Image.blend(opened(path), Image.fromarray(colours.to(torch.uint8).numpy()), 0.5)
'''

DEPTH = '''
def postprocess(outputs, ctx):
    """Return the span of the depths, in the model's own measure, over the whole picture."""
    decode = processor(@FAST@).post_process_depth_estimation
    depth = decode(answer_of(outputs), [tuple(ctx["size"])])[0]["predicted_depth"].double()
    measures = {"minimum": depth.min(), "maximum": depth.max(), "mean": depth.mean(), "median": depth.median()}
    return {"size": ctx["size"], **{name: round(float(value), 6) for name, value in measures.items()}}
'''

# ---------------------------------------------------------------- text
TOKENIZER = '''
@functools.lru_cache
def tokenizer():
    """Load the folder's own tokenizer."""
    return AutoTokenizer.from_pretrained(PROCESSOR, local_files_only=True@TRUST_TOO@)
'''

TEXT_READ = '''
def text_of(path):
    """Read a text; the line's end that an editor leaves is not part of it."""
    return Path(path).read_text("utf-8").rstrip("\\r\\n")


def fitting(made, path):
    """Refuse what the model would have to cut."""
    count = made["input_ids"].shape[1]
    if LONGEST is not None and count > LONGEST:
        raise ValueError(f"{path} makes {count} tokens; the model takes {LONGEST}")
    return dict(made)
'''

TEXT = '''
def preprocess(path):
    """Return the text's tokens."""
    text = text_of(path)
    return fitting(tokenizer()(text, return_tensors="pt"@TYPES@), path), {"text": text}
'''

CHAT = '''
def preprocess(path, *, chat=False):
    """Return the text's tokens; chat: as a person's turn of a conversation, by the folder's template."""
    text = text_of(path)
    if chat:
        turn = [{"role": "user", "content": text}]
        text = tokenizer().apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
    made = tokenizer()(text, return_tensors="pt", add_special_tokens=not chat@TYPES@)
    return fitting(made, path), {"text": text}
'''

TAG = '''
def preprocess(path):
    """Return the text's tokens, and where in the text each stands."""
    text = text_of(path)
    made = tokenizer()(text, return_tensors="pt", return_offsets_mapping=True, return_special_tokens_mask=True)
    places, special = made.pop("offset_mapping")[0].tolist(), made.pop("special_tokens_mask")[0].tolist()
    return fitting(made, path), {"text": text, "places": places, "special": special}


def postprocess(outputs, ctx, *, ignore="O"):
    """Return the tokens that are tagged as anything but `ignore`, with their places in the text."""
    scores = torch.from_numpy(outputs["logits"])[0].softmax(-1)
    found = []
    for row, (first, last), special in zip(scores, ctx["places"], ctx["special"]):
        label = named(int(row.argmax()))
        if not special and label != ignore:
            word = ctx["text"][first:last]
            found.append({"label": label, "score": round(float(row.max()), 6), "word": word, "at": [first, last]})
    return found
'''

FILL = '''
def preprocess(path):
    """Return the tokens of a text that holds the mask."""
    text = text_of(path)
    made = fitting(tokenizer()(text, return_tensors="pt"), path)
    masks = (made["input_ids"][0] == tokenizer().mask_token_id).nonzero().flatten().tolist()
    if not masks:
        raise ValueError(f"{path} has no {tokenizer().mask_token} to fill")
    return made, {"text": text, "masks": masks}


def postprocess(outputs, ctx, *, top=5):
    """Return the likeliest tokens for each mask."""
    filled = []
    for place in ctx["masks"]:
        scores, tokens = torch.from_numpy(outputs["logits"])[0, place].softmax(-1).topk(top)
        rows = zip(tokens.tolist(), scores.tolist())
        filled.append([{"token": t, "text": tokenizer().decode([t]), "score": round(s, 6)} for t, s in rows])
    return filled
'''

WRITE = '''
def postprocess(outputs, ctx, *, top=5):
    """Return the likeliest next tokens@AND_TEXT@."""
    scores, tokens = torch.from_numpy(outputs["logits"])[0].softmax(-1).topk(top)
    rows = zip(tokens.tolist(), scores.tolist())
    result = {"next": [{"token": t, "text": tokenizer().decode([t]), "score": round(s, 6)} for t, s in rows]}
@WRITTEN@    return result
'''
WRITTEN = """    if "written" in outputs:
        result["text"] = tokenizer().decode(outputs["written"][0].tolist(), skip_special_tokens=True)
"""

# ---------------------------------------------------------------- sound
SOUND = '''
@functools.lru_cache
def extractor():
    """Load the folder's own feature extractor."""
    return AutoFeatureExtractor.from_pretrained(PROCESSOR, local_files_only=True@TRUST_TOO@)


def preprocess(path):
    """Return what the folder's feature extractor makes of a sound of one channel at the model's own rate."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    wanted, longest = extractor().sampling_rate, getattr(extractor(), "n_samples", None)
    if samples.shape[1] != 1:
        raise ValueError(f"{path} has {samples.shape[1]} channels; the model takes one")
    if rate != wanted:
        raise ValueError(f"{path} has {rate} samples a second; the model takes {wanted}")
    if longest is not None and len(samples) > longest:
        raise ValueError(f"{path} lasts longer than the {longest // wanted} seconds that the model takes")
    made = extractor()(samples[:, 0], sampling_rate=rate, return_tensors="pt")
    return dict(made), {"seconds": len(samples) / rate}
'''

HEAR = '''
def postprocess(outputs, ctx):
    """Return what was said: the likeliest sign of each frame, spelt by the tokenizer."""
    signs = outputs["logits"][0].argmax(-1).tolist()
    return {"text": tokenizer().decode(signs)}
'''

TRANSCRIBE = '''
def postprocess(outputs, ctx):
    """Return what was said."""
    return {"text": tokenizer().decode(outputs["sequences"][0].tolist(), skip_special_tokens=True)}
'''

# ---------------------------------------------------------------- answers
NAMED = '''
@functools.lru_cache
def labels():
    """Read the classes' names."""
    names = json.loads((PROCESSOR / "config.json").read_text("utf-8"))["id2label"]  # @LABELS_AT@
    return {int(number): name for number, name in names.items()}


def named(number):
    """Name a class, by its number where the folder has no name for it."""
    return labels().get(number, f"class {number}")
'''

UNNAMED = '''
def named(number):
    """Name a class by its number: the folder has no names."""
    return f"class {number}"
'''

CLASSIFY = '''
def postprocess(outputs, ctx, *, top=5):
    """Return the likeliest class, and the first few with their scores."""
    scores = torch.from_numpy(outputs["logits"])[0]@ACTIVATION@  # @ACTIVATION_AT@
    best = scores.argsort(descending=True, stable=True)[:top].tolist()
    found = [{"label": named(i), "score": round(float(scores[i]), 6)} for i in best]
    return {**found[0], "top": found}
'''

EMBED = '''
def postprocess(outputs, ctx):
    """Return each vector's shape and measures."""
    vectors = {name: torch.from_numpy(value).double() for name, value in outputs.items()}
    return {
        name: {
            "shape": list(value.shape),
            "mean": round(float(value.mean()), 6),
            "norm": round(float(value.norm()), 6),
            "first": [round(float(v), 6) for v in value.flatten()[:4]],
        }
        for name, value in vectors.items()
    }
'''
