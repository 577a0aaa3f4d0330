"""Items of the reporting guidelines and of the law that a dossier answers, in words of this project's own.

Sources, all read 2026-11, whose numbers these are:
CLAIM: Mongan, Moy and Kahn, Radiology: Artificial Intelligence 2020;2(2):e200029, https://doi.org/10.1148/ryai.2020200029.
TRIPOD+AI: Collins et al., BMJ 2024;385:e078378, https://doi.org/10.1136/bmj-2023-078378.
Annex IV: Regulation (EU) 2024/1689, https://eur-lex.europa.eu/eli/reg/2024/1689/oj.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Item:
    """Item of a reporting guideline or of the law.

    Attributes:
        number: the source's.
        about: what it asks for.
        facts: names of the facts of `dossier` that answer it, or answer a part of it.
        open: what is left for the team to write, as nothing here can know it; empty where the facts are all.
    """

    number: str
    about: str
    facts: tuple[str, ...] = ()
    open: str = ""


@dataclasses.dataclass(frozen=True)
class Source:
    """A guideline or law with its items."""

    title: str
    link: str
    items: tuple[Item, ...]


CLAIM = Source(
    "CLAIM",
    "https://doi.org/10.1148/ryai.2020200029",
    (
        Item("1", "The title says that it is about AI, and of which kind", ("model",), "The title."),
        Item("2", "Structured summary", (), "The abstract."),
        Item("3", "Background, intended use and clinical role", ("intended_use",), "The clinical background and role."),
        Item("4", "Aims and hypotheses", (), "What the study asks."),
        Item("5", "Prospective or retrospective", (), "How the radiographs were collected."),
        Item("6", "Goal of the study", ("intended_use",), "Which kind of study it is."),
        Item("7", "Sources of the data", ("dataset", "sources"), "The institutions behind the archive."),
        Item("8", "Who was eligible, where and when", ("dropped",), "Criteria, setting, dates of the patients."),
        Item("9", "Preprocessing", ("preprocessing",)),
        Item("10", "Which parts of the data were used", ("decisions", "dropped")),
        Item("11", "Definitions of data elements", ("labels",), "What the words of the labels mean clinically."),
        Item("12", "De-identification", ("deidentification",), "What was done before the upload."),
        Item("13", "Missing data", ("dropped",), "Why radiographs or labels are missing at the source."),
        Item("14", "Definition of the reference standard", ("labels",), "How each label came about."),
        Item("15", "Why that reference standard", (), "Its rationale and its limits."),
        Item("16", "Who annotated, with which qualification", ("review",), "Annotators and their preparation."),
        Item("17", "Annotation tools", ("review",), "The tools."),
        Item("18", "Variability between and within raters", (), "Agreement of the annotators."),
        Item("19", "Sample size and how it was determined", ("partitions",), "How it was determined."),
        Item("20", "How data were assigned to partitions", ("partitions", "assignment")),
        Item("21", "Level at which partitions are disjoint", ("disjoint",)),
        Item("22", "Description of the model", ("architecture",)),
        Item("23", "Software and versions", ("software",)),
        Item("24", "How parameters were initialised", ("initialisation",)),
        Item("25", "Training, with augmentation and hyperparameters", ("training", "hyperparameters")),
        Item("26", "How the final model was chosen", ("selection", "gates")),
        Item("27", "Ensembles", ("ensemble",)),
        Item("28", "Metrics of performance", ("performance",)),
        Item("29", "Uncertainty and significance", ("intervals", "comparison")),
        Item("30", "Robustness and sensitivity analysis", ("shortcuts", "subgroups")),
        Item("31", "Explainability", ("explainability",)),
        Item("32", "Tests on external data", ("external",)),
        Item("33", "Flow of participants", ("partitions", "dropped"), "A diagram, from the patients at the source on."),
        Item("34", "Characteristics in each partition",
             ("partitions", "subgroups"), "What the files do not say of patients."),
        Item("35", "Performance of the final model on each partition", ("performance", "validation")),
        Item("36", "Accuracy with its precision", ("performance", "intervals")),
        Item("37", "Failures", ("failures",), "What a reader finds in the wrong ones."),
        Item("38", "Limits of the study", ("limits",), "Limits of the study around the model."),
        Item("39", "Implications for practice", ("intended_use",), "What follows for practice."),
        Item("40", "Registration", (), "The study's registration number, or that there is none."),
        Item("41", "Where protocol, code and data are", ("source", "dataset"), "Where others may get them."),
        Item("42", "Funding", (), "Sources of funding and the role of the funders."),
    ),
)  # fmt: skip

TRIPOD_AI = Source(
    "TRIPOD+AI",
    "https://doi.org/10.1136/bmj-2023-078378",
    (
        Item("1", "Title", ("model",), "The title."),
        Item("2", "Abstract", (), "The abstract."),
        Item("3", "Background, target population, known inequalities",
             ("intended_use", "population"), "The health context and known inequalities."),
        Item("4", "Aims: development, evaluation or both", (), "The aims."),
        Item("5", "Sources and dates of the data",
             ("dataset", "sources"), "Dates of the patients, representativeness."),
        Item("6", "Setting, eligibility, treatments", ("dropped",), "Setting, eligibility and treatments."),
        Item("7", "Preparation of the data", ("preprocessing", "decisions")),
        Item("8", "Outcome and how it was assessed", ("labels", "review"), "How and by whom the outcome was assessed."),
        Item("9", "Predictors", ("preprocessing",)),
        Item("10", "Sample size", ("partitions",), "Its justification."),
        Item("11", "Missing data", ("dropped",), "Missing data at the source."),
        Item("12", "Analysis: use of data, model, selection, performance",
             ("assignment", "architecture", "training", "hyperparameters", "selection", "intervals")),
        Item("13", "Class imbalance", ("prevalence", "hyperparameters")),
        Item("14", "Fairness", ("subgroups",), "What was done about differences between groups."),
        Item("15", "Output of the model and its thresholds", ("output",)),
        Item("16", "Differences between training and evaluation data", ("assignment", "external")),
        Item("17", "Ethical approval", (), "Approval of an ethics committee, consent or its waiver."),
        Item("18", "Funding, interests, protocol, registration, data and code",
             ("source", "dataset"), "Funding, interests, protocol, registration and access."),
        Item("19", "Involvement of patients and the public", (), "Who was involved, or that nobody was."),
        Item("20", "Participants",
             ("partitions", "subgroups"), "The flow of participants, and what files do not say of them."),
        Item("21", "Participants and outcomes in each analysis", ("partitions", "prevalence")),
        Item("22", "The full model", ("model", "architecture")),
        Item("23", "Performance with intervals, also in subgroups", ("performance", "subgroups")),
        Item("24", "Updating of the model", ("calibrated", "change_control")),
        Item("25", "Interpretation", (), "Interpretation in the context of other studies."),
        Item("26", "Limits", ("limits",), "Limits of the study around the model."),
        Item("27", "Usability: poor input, expertise of users, next steps",
             ("refusals", "intended_use"), "Which users with which training, and next steps."),
    ),
)  # fmt: skip

ANNEX_IV = Source(
    "EU AI Act, Annex IV",
    "https://eur-lex.europa.eu/eli/reg/2024/1689/oj",
    (
        Item("1", "General description: purpose, provider, versions, forms, hardware, interface, instructions",
             ("model", "intended_use", "output", "software"),
             "The provider, how it is placed on the market, instructions for use."),
        Item("2", "Development: methods, design, data, oversight, changes, validation, security",
             ("architecture", "training", "selection", "dataset", "partitions",
              "labels", "performance", "change_control", "oversight", "security"),
             "Provenance of the data before the upload, and tests that the team made besides."),
        Item("3", "Monitoring, functioning, control: accuracy, foreseeable risks, oversight",
             ("performance", "subgroups", "limits", "refusals", "oversight", "monitoring"),
             "Risks to health, safety and fundamental rights."),
        Item("4", "Why the metrics are appropriate", ("performance", "gates"), "Why these suit the purpose."),
        Item("5", "Risk management system (Article 9)", ("risk",), "The risk management file."),
        Item("6", "Changes through the lifecycle", ("change_control", "calibrated")),
        Item("7", "Harmonised standards applied", (), "The standards applied, or how else the requirements are met."),
        Item("8", "EU declaration of conformity", (), "The declaration, which the provider makes."),
        Item("9", "Monitoring after it is on the market (Article 72)",
             ("monitoring",), "The plan itself, and who acts on what it finds."),
    ),
)  # fmt: skip

SOURCES = (CLAIM, TRIPOD_AI, ANNEX_IV)
