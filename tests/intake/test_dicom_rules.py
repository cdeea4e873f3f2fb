"""What the tags of one series make of it: descriptions as people write them, and times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from latup_cli.imaging.dicom import Facts
from latup_cli.intake.dicom_agent import said_of_agent
from latup_cli.intake.dicom_rules import T1_LIKE, judge

WITH_AGENT = """
AX T1 POST; COR T1 POST FS; SAG T1 POST GAD; AX T1 post-contrast; T1 POST CON; T1 SE post GD
AX T1 FSE +GAD; Ax T1 +C; Ax T1 + C; AX T1 C+; T1C+; T1 (+C) MPR; AX 3D T1 FSPGR IR +C STEALTH
T1-CE; T1-Gd; T1Gd; t1c; t1post; MPRAGE-GD; T1-C+; AX T1 W/GD; T1 W CONTRAST; T1 contrast enhanced
T1W_3D_TFE_CE; T1W_SE_post_Dotarem; Ax T1 MPR 1mm GdT1; T1 MPRAGE 1.0 GAD; T1_MPRAGE_1_0_GAD
AX T1 POST NON FS; AX T1 POST NON FAT SAT; Ax T1 +C w/o FS; AX T1 C+ WITHOUT FS; T1 C+ - SAG
T1 MPRAGE +C PRE OP; STEALTH PRE-OP T1 POST GAD; T1 PREOP GAD; T1 POST RT +C; T1 -FS +C
t1_mprage_sag_p2_iso_KM; T1 nach KM; T1 tra mKM; T1 m. KM; T1 n. KM; T1 ohne FS nach KM
T1 AVEC GADO; T1 APRÈS GADO; T1 SAG INJ; T1 CON CONTRASTE; T1 C/C; T1 SIN SAT GRASA POST
T1 DESPUÉS DE GADOLINIO; T1 CON MDC; T1 DOPO MDC
"""

WITHOUT_AGENT = """
AX T1 PRE; AX T1 FS PRE; AX T1 PRE FS; t1pre; T1 PRE-C; T1 PRE CONTRAST; T1 PRE GADOLINIUM 3.0T
SAG T1 MPRAGE W/O; AX T1 WO; WO AX T1; T1 W/O CONTRAST; T1 W/O IV CONTRAST; AX T1 W/O GD; T1 W-O C
T1 NON-CON; T1 NONCON; T1 NON CONTRAST; T1 NO CONTRAST; T1 NO GAD; T1 0 GAD; T1 BEFORE GAD
T1 not enhanced; T1 un-enhanced; T1 without contrast agent; Ax T1 -C; Ax T1 (-C); Ax T1 C-; T1C-
T1_C-_FS; T1 -Gd; T1 POST-OP PRE GAD; T1 POST OP W/O CONTRAST; T1 POST RADIATION PRE CONTRAST
T1 vor KM; T1 v. KM; T1 -KM; T1 ohne KM; T1 o. KM; T1 oKM; t1_tse_tra nativ; T1 nach OP vor KM
T1 SANS GADO; T1 AVANT GADO; T1 S/GADO; T1 NON INJECTÉ; T1 SAG SANS; T1 natif
T1 SIN CONTRASTE; T1 S/C; T1 ANTES DE GADOLINIO; T1 SENZA MDC; T1 prima di mdc; T1 BASALE
"""

UNSAID = """
AX T1; t1_mprage_sag_p2_iso; T1w 3D tfe SENSE; T1 W/; AX T1 NON FS; SAG T1 NO FS; T1 W/O MTC
T1 PRE OP; T1 PREOP; T1 POST-OP; T1 postop; T1 POST RT; T1 nach OP; T1 post surgery
T1-C; T1 - C; T1 - GAD; T1 +/- C; T1 C+/-; T1 C+/C-; T1 PRE +C; T1 W/O +C
AX T1 PRE/POST; AX T1 PRE AND POST GAD; MRI BRAIN W WO CONTRAST; MRI BRAIN W/ + W/O CONT
T1 nativ + KM; T1 vor/nach KM; T1 sin y con contraste; T1 sans et avec gado
"""


def described(table: str) -> list[str]:
    """Descriptions, apart by semicolons."""
    return [text.strip() for line in table.strip().splitlines() for text in line.split(";")]


def facts(description: str, protocol: str = "", **tags: Any) -> Facts:
    """A T1 by its times, and by nothing else."""
    plain = Facts(
        modality="MR", sop_class="MR Image Storage", series="1.2.3", study="1.2", number=5,
        texts=(description, protocol, "", ""), image_type=("ORIGINAL", "PRIMARY", "M"),
        sequences=frozenset({"SE"}), weighting="", agent=False, te_ms=12.0, tr_ms=550.0,
        ti_ms=None, b_value=0.0, is_gray=True, date="", patient_id="", patient_name="",
    )  # fmt: skip
    return replace(plain, **tags)


@pytest.mark.parametrize("text", described(WITH_AGENT))
@pytest.mark.parametrize("agent", [True, False])
def test_descriptions_with_agent(text: str, agent: bool) -> None:
    """A negation of fat saturation or of surgery does not make a T1 of a T1ce."""
    verdict = judge(facts(text, agent=agent))
    assert (verdict.meaning, verdict.by_words) == ("t1ce", True)
    assert "description contains" in verdict.reason


@pytest.mark.parametrize("text", described(WITHOUT_AGENT))
@pytest.mark.parametrize("agent", [True, False])
def test_descriptions_without_agent(text: str, agent: bool) -> None:
    """A negation of the agent is understood in five languages and as a sign."""
    verdict = judge(facts(text, agent=agent))
    assert (verdict.meaning, verdict.by_words) == ("t1", True)


@pytest.mark.parametrize("text", described(UNSAID))
def test_descriptions_that_leave_it_open(text: str) -> None:
    """Where both or neither is said, the agent's tag decides, and else the voxels."""
    assert judge(facts(text)).meaning == T1_LIKE
    verdict = judge(facts(text, agent=True))
    assert (verdict.meaning, verdict.by_words) == ("t1ce", False)


def test_a_description_is_not_repeated() -> None:
    """The reason holds words of ours only, whatever stands between them."""
    said = said_of_agent("T1 Doe PRE  GAD Jane 19990412")
    assert said is not None
    assert said.words == "pre gad"


@pytest.mark.parametrize("protocol", ["BRAIN C+", "BRAIN WITH CONTRAST", "MRI BRAIN W CONTRAST"])
def test_a_protocol_of_the_exam_tells_no_series(protocol: str) -> None:
    """Some scanners write one protocol into every series; a description makes it silent."""
    assert judge(facts("Ax T1", protocol)).meaning == T1_LIKE
    alone = judge(facts("", protocol))
    assert (alone.meaning, alone.by_words) == ("t1ce", False)
    assert judge(facts("", "T1 W/O CONTRAST")).meaning == T1_LIKE


T2_TIMES: Mapping[str, Any] = {"te_ms": 120.0, "tr_ms": 9000.0}


@pytest.mark.parametrize("text", ["AX T2 FLAIR", "t2_space_dark-fluid_sag", "3D FLAIR"])
@pytest.mark.parametrize("sequence", ["SE", "RM"])
def test_a_flair_without_inversion_time_is_told_by_words(text: str, sequence: str) -> None:
    """Without an inversion time its times are those of a T2, and its description knows better."""
    verdict = judge(facts(text, sequences=frozenset({sequence}), **T2_TIMES))
    assert verdict.meaning == "flair"
    assert "no inversion time is given" in verdict.reason


@pytest.mark.parametrize("text", ["AX T2 FSE", "", "AX PROPELLER"])
def test_a_t2_under_a_protocol_named_after_flair_stays_a_t2(text: str) -> None:
    """Only the series' own description overrules the times."""
    assert judge(facts(text, "BRAIN FLAIR", **T2_TIMES)).meaning == "t2"
