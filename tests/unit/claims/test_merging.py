"""Claims put together: the strongest word counts, agreement raises it, disagreement stays in sight."""

from assay.claims.merging import merge, same
from assay.claims.people import fingerprint, settle, unproved
from assay.domain import Confirmation
from assay.records import Claim, Evidence, Match, Question, Status

READ = Evidence(kind="source", where="net/detect.py:41", text="img = img / 255.0", sha256="aa")
RUN = Evidence(kind="probe", where="outputs/probe.json", text="detect.py --img x")


def claim(value, status, *evidence, by="tool", **more):
    return Claim(id="pre.std", value=value, status=status, by=by, evidence=list(evidence), **more)


def test_what_was_read_and_seen_alike_is_verified_with_both_as_evidence():
    [one] = merge([claim(255.0, "read", READ), claim(255, "observed", RUN)])
    assert (one.value, one.status, one.evidence) == (255, "verified", [RUN, READ])


def test_reading_alone_stays_read_and_seeing_alone_observed():
    assert [c.status for c in merge([claim(255.0, "read", READ)])] == ["read"]
    assert [c.status for c in merge([claim(255.0, "observed", RUN)])] == ["observed"]


def test_what_was_seen_counts_before_what_was_read_otherwise_and_keeps_it_beside():
    [one] = merge([claim(1.0, "read", READ), claim(255.0, "observed", RUN)])
    assert (one.value, one.status, one.alternatives, one.conflicts) == (255.0, "observed", [1.0], [])
    assert one.evidence == [RUN]


def test_two_sure_words_that_differ_are_a_conflict():
    [one] = merge([claim(1.0, "verified", RUN, by="match"), claim(255.0, "observed", RUN, by="probe")])
    assert one.status == "conflict"
    assert one.conflicts == ["match says 1.0, probe says 255.0"]


def test_an_unknown_never_covers_a_known():
    [one] = merge([claim(None, "unknown", RUN, reason="not affine"), claim(255.0, "read", READ)])
    assert (one.value, one.status) == (255.0, "read")


def test_values_are_the_same_within_rounding_and_never_across_kinds():
    assert same([0.1 + 0.2, [1, 2]], [0.3, [1.0, 2]])
    assert not same(True, 1)
    assert not same([1, 2], [1, 2, 3])
    assert same({"a": 1}, {"a": 1.0})
    assert not same("1", 1)


# ---------------------------------------------------------------- people
def person(kind, value=None, **more):
    return Confirmation(id="pre.std", kind=kind, value=value, by="ada", **more)


def test_a_confirmation_and_a_correction_name_who_said_it_and_keep_the_tools_value():
    [confirmed], _ = settle([claim(255.0, "observed", RUN)], [], [person("confirm", 255.0)])
    assert (confirmed.status, confirmed.by, confirmed.alternatives) == ("confirmed", "ada", [])
    [corrected], _ = settle([claim(255.0, "observed", RUN)], [], [person("is", 128.0, why="read the paper")])
    assert (corrected.status, corrected.value, corrected.alternatives) == ("corrected", 128.0, [255.0])
    assert corrected.evidence[0].text == "read the paper"


def test_confirming_another_value_than_the_tools_is_a_conflict():
    [one], _ = settle([claim(255.0, "observed", RUN)], [], [person("confirm", 128.0)])
    assert (one.status, one.value, one.alternatives) == ("conflict", 255.0, [128.0])


def test_an_answer_against_other_evidence_is_kept_shown_stale_and_asked_again():
    looked_at = fingerprint(claim(255.0, "observed", RUN))
    [held], still = settle([claim(255.0, "observed", RUN)], [], [person("is", 255.0, against=looked_at[:4])])
    assert (held.status, still) == ("confirmed", [])
    [moved], again = settle([claim(128.0, "observed", RUN)], [], [person("is", 255.0, against=looked_at)])
    assert (moved.status, moved.value, moved.alternatives) == ("stale", 255.0, [128.0])
    assert [q.id for q in again] == ["pre.std"]
    assert again[0].options == [255.0, 128.0]


def test_moved_lines_do_not_move_the_fingerprint():
    there = Evidence(kind="source", where="net/detect.py:97", text="img = img / 255.0", sha256="aa", moved="moved")
    assert fingerprint(claim(255.0, "read", READ)) == fingerprint(claim(255.0, "read", there))


def test_an_answer_closes_its_question_and_unknown_stops_the_asking():
    asked = [Question(id="pre.std", ask="?"), Question(id="post.iou", ask="?")]
    [one], left = settle([], asked, [person("unknown")])
    assert (one.status, one.value) == ("unknown", None)
    assert [q.id for q in left] == ["post.iou"]


def test_a_class_that_a_person_named_and_that_does_not_fit_is_a_conflict():
    said = Claim(id="model.class", value="net:Other", status="confirmed", by="ada", evidence=[])
    none = Match(status=Status(), outcome="none", why="net:Other has 3 tensors of another shape")
    [found] = unproved([said], none)
    assert (found.status, found.value) == ("conflict", "net:Other")
    assert found.conflicts == ["ada said 'net:Other'; the match says: net:Other has 3 tensors of another shape"]
    assert unproved([said], Match(status=Status(), outcome="blocked", missing_package="timm", why="needs timm")) == [said]
    assert unproved([said], Match(status=Status(), outcome="not needed")) == [said]
