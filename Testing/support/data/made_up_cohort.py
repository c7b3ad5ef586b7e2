"""A small made-up cohort in the layout of the real one, so that the study is tested where that is not at hand.

Nobody in it exists. Labels, features and laboratory values hang together loosely, as in the real tables:
models find something, and not everything.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
from COVIDMTLLib.features.names import FEATURE_NAMES

MORBIDITY = {
    "Control": (0.2325, "Negative", "Negative", 0, 0.0),
    "Suspected": (0.1949, "Positive", "Negative", 0, 1.0),
    "Mild": (0.0166, "Negative", "Positive", 1, 0.7),
    "Regular": (0.4063, "Positive", "Positive", 1, 1.6),
    "Severe": (0.1242, "Positive", "Positive", 2, 2.6),
    "Critically ill": (0.0255, "Positive", "Positive", 2, 3.2),
}
"""Share of the cohort, CT, nucleic acid test, class of severity, and how much lung is ill."""

LABS = {
    "Routine Blood Test": (
        0.17,
        "MCHC 336 MCH 30.9 MCV 92.1 HCT 36.9 HGB 123 RBC 4.04 PDW 16.2 PLCT 0.2 MPV 9.6 PLT 202 BA 0.01 EO 0.05 MO 0.4 "
        "LY 1.21 NE 3.57 BAP 0.3 EOP 0.9 MOP 7.34 LYP 23.4 NEP 65.9 WBC 5.47 PLCR 28.1 RDWSD 42.2 RDWCV 12.9",
    ),
    "Biochemical Test": (
        0.42,
        "ALG 1.3 ALB 36.7 ALP 63 ALT 23 AST 25.7 BUN 4.66 CA 2.09 CL 103 CO2 24.6 CREA 65.7 GGT 28 GLB 27.2 K 3.94 "
        "MG 0.85 Na 139 PHOS 1.06 TBIL 10.5 TP 64.2 URIC 258 CHOL 3.9 CK 66 HDLC 0.955 LDH 217 TG 1.16 AnG 13 DBIL 3.7 "
        "GLU 5.57 LDLC 2.3 OSM 298 PA 0.2 TBA 3.05 HBDH 168 CysC 0.87 LAP 25 5NT 7 HC 9.5 SAA 42 SdLDL 0.77",
    ),
    "Others": (
        0.93,
        "BNP 147 FDG 27 IBIL 6.5 U 4.52 AFU 24.4 APOA1 0.85 APOB 0.72 CHE 6420 LPA 94.5 SA 823 LPS 18.8 LAC 1.33",
    ),
    "Blood Coagulation Test": (0.31, "DD 0.48 TT 16.4 FIB 3.78 APTT 36.1 INR 1.01 PT 13 AT3 81.1 FDP 1.97"),
    "Inflammation": (0.70, "ESR 30 CRP 13.4 PCT 0.13 HSCRP 7.5"),
    "Immune Cell Typing": (0.69, "CD3+ 75.3 CD4+ 44.8 CD8+ 24.2 BC 12.3 NKC 8.05 CD4/CD8 1.85"),
    "Cytokine Profile Test": (0.68, "IL-2 2.63 IL-4 2.1 IL-6 7.29 IL-10 3.66 TNF 2.37 IFN 2.16"),
}
"""Share of missing values, and the abbreviations with the medians, of each panel."""

WITHOUT_DEFINITION = (
    "BNP FDG IBIL U AFU APOA1 APOB CHE LPA SA LPS LAC AT3 FDP CRP PCT HSCRP".split()
)  # as in the real lab_definitions.csv


def made_up_cohort(folder: Path, cases: int = 160, seed: int = 0, layout: str = "cohort") -> Path:
    """Write a made-up cohort and return its folder.

    ``layout`` is "cohort" (CSV tables as `cohort.load` reads them) or "release" (the spreadsheets of the
    authors' release).
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    patients, ill, nat = _patients(cases, rng)
    features = _features(ill, nat, rng)
    labs, definitions = _labs(patients, ill, rng)
    write = {"cohort": _write_tables, "release": _write_release}[layout]
    write(folder, patients, features, labs, definitions)
    return folder


def _patients(cases, rng):
    shares = np.cumsum([share for share, *_ in MORBIDITY.values()])
    morbidity = np.array(list(MORBIDITY))[np.searchsorted(shares, (np.arange(cases) + 0.5) / cases).clip(max=5)]
    rng.shuffle(morbidity)
    _, ct, nat, severity, ill = (np.array(column) for column in zip(*(MORBIDITY[m] for m in morbidity), strict=True))
    union = rng.random(cases) < np.where(morbidity == "Suspected", 0.5, 0.78)
    patients = pd.DataFrame(
        {
            "PID": np.sort(rng.choice(np.arange(1, 2 * cases), cases, replace=False)),
            "Hospital": np.where(union, "HUST-Union Hospital", "HUST-Liyuan Hospital"),
            "Age": rng.normal(49 + 5 * ill, 16).clip(1, 97).astype(int),
            "Gender": np.where(rng.random(cases) < 0.51, "Female", "Male"),
            "NucleicAcid": nat,
            "CT": ct,
            "Morbidity": morbidity,
            "Mortality": np.where(severity > 0, "Cured", "Unknown"),
            "COVID_CT": (ct == "Positive").astype(int),
            "COVID_NAT": (nat == "Positive").astype(int),
            "COVID_Severity": severity,
            "VolumeMean": rng.normal(16.7, 3.9, cases).clip(2).round(2),
            "VolumeStd": rng.normal(85.2, 12, cases).clip(20).round(2),
            "TotalSlices": 340,
            "FirstLungSlice": rng.integers(10, 90, cases),
            "LastLungSlice": rng.integers(280, 339, cases),
        }
    )
    return patients, ill.astype(float), patients.COVID_NAT.to_numpy()


def _features(ill, nat, rng):
    """Six things vary between lungs; every feature shows some of them, on a scale of its own."""
    cases = len(ill)
    causes = rng.normal(size=(cases, 6))
    causes[:, 0] += 1.5 * ill
    causes[:, 1] += 1.2 * nat
    mechanism = np.random.default_rng(375)  # the same lungs, whatever the seed of the patients
    loadings = mechanism.normal(size=(6, len(FEATURE_NAMES))) * (mechanism.random((6, len(FEATURE_NAMES))) < 0.25)
    scale = 10 ** mechanism.uniform(-3, 6, len(FEATURE_NAMES))
    values = scale * np.exp(0.3 * (causes @ loadings + 0.7 * rng.normal(size=(cases, len(FEATURE_NAMES)))))
    table = pd.DataFrame(values, columns=list(FEATURE_NAMES))
    table["Minimum"] = 1.0  # constant in the real cohort
    return table


def _labs(patients, ill, rng):
    cases = len(ill)
    table, definitions = {}, []
    for panel, (missing, text) in LABS.items():
        words = text.split()
        not_taken = rng.random(cases) < missing - 0.03 * ill * (panel == "Inflammation")
        for name, median in zip(words[::2], words[1::2], strict=True):
            effect = {"LY": -0.25, "LYP": -0.2, "CA": -0.03, "LDH": 0.2, "CRP": 0.6, "FIB": 0.1, "EO": -0.3}.get(
                name, 0
            )
            values = float(median) * np.exp(effect * (ill - 1.2) + 0.2 * rng.normal(size=cases))
            values[not_taken | (rng.random(cases) < 0.06)] = np.nan
            table[name] = [float(f"{value:.3g}") for value in values]
            if name not in WITHOUT_DEFINITION:
                normal = f"{0.7 * float(median):.3g}-{1.4 * float(median):.3g} U/L"
                definitions.append((f"Made-up {name}", name, normal, panel))
    labs = pd.DataFrame(table)
    labs.loc[rng.random(cases) < 0.06] = np.nan  # some have no laboratory values at all
    columns = ["Clinical feature", "Abbreviation", "Normal range", "Panel"]
    return labs, pd.DataFrame(definitions, columns=columns)


def _write_tables(folder, patients, features, labs, definitions):
    patients.to_csv(folder / "patients.csv", index=False)
    features.assign(PID=patients.PID)[["PID", *FEATURE_NAMES]].to_csv(folder / "features.csv.gz", index=False)
    labs.assign(PID=patients.PID)[["PID", *labs.columns]].to_csv(folder / "labs.csv", index=False)
    definitions.to_csv(folder / "lab_definitions.csv", index=False)


def _write_release(folder, patients, features, labs, definitions):
    """As the authors' spreadsheets are: row numbers in unnamed columns, patients without a CT, a sheet a panel."""
    numbered = features.assign(PID=patients.PID)[["PID", *FEATURE_NAMES]]
    numbered.to_csv(folder / "radiofeatures.csv")
    names = ["Hospital", "Patient", "Age", "Gender", "SARS-CoV-2 nucleic acids", "CT", "Morbidity", "Mortality"]
    rows = [
        (p.Hospital, f"Patient {p.PID}", p.Age, p.Gender, p.NucleicAcid, p.CT, p.Morbidity, p.Mortality)
        for p in patients.itertuples()
    ]
    without_ct = ("HUST-Union Hospital", "Patient 9999", 50, "Male", "Positive", None, "Regular", "Cured")
    _save(folder / "Patients.xlsx", {"Sheet1": [names, *rows, without_ct]})
    sheets, numbers = {}, labs.astype(object).where(labs.notna(), None)
    for panel, (_, text) in LABS.items():
        columns = text.split()[::2]
        values = zip(patients.PID, numbers[columns].itertuples(index=False), strict=True)
        sheets[panel] = [[None, "PID", *columns], *([row, pid, *value] for row, (pid, value) in enumerate(values))]
    _save(folder / "ClinicalFeatures.xlsx", sheets)
    info = ["PID", "TotalSlice", "FirstSlice", "LastSlice", "MeanValue", "StdValue"]
    columns = patients[["PID", "TotalSlices", "FirstLungSlice", "LastLungSlice", "VolumeMean", "VolumeStd"]]
    _save(folder / "StandardCTInfo.xlsx", {"Sheet1": [info, *columns.to_numpy(object).tolist()]})
    (folder / "info.ppl").write_bytes(b"a pickle, which nobody is to open")


def _save(path, sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    book.save(path)
