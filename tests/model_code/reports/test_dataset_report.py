"""The dataset card is shown whole, and names from the archive as text."""

from __future__ import annotations

from model_code.reports.dataset_report import dataset_section, labels_section


def test_every_part_of_the_card_is_shown(dataset_card):
    shown = "".join(dataset_section(dataset_card).parts)
    for text in (
        dataset_card["sha256"],
        dataset_card["created"],
        dataset_card["archive_uri"],
        "The archive&#x27;s test split is kept: 20 images.",
        "300 / 1,050 / 2,000",
        "0.90 / 1.30 / 1.80",
        "JPEG 28, PNG 2",
        "Near-duplicate images",
        "difference hash of 256 bits, threshold 0.99",
        "The label can be predicted from the file size alone.",
        "0.930",
    ):
        assert text in shown, text


def test_names_from_the_archive_are_escaped(dataset_card):
    shown = "".join(dataset_section(dataset_card).parts)
    assert "a&lt;b&gt;.jpeg" in shown
    assert "a<b>" not in shown


def test_of_many_dropped_files_all_are_counted_and_a_few_named(dataset_card):
    dropped = {"reason": "duplicate", "count": 5856, "files": [f"file{number}." for number in range(200)]}
    shown = "".join(dataset_section(dataset_card | {"dropped": [dropped]}).parts)
    assert "5,856" in shown
    assert "file4." in shown
    assert "file5." not in shown
    assert "Every file with a label is used." in "".join(dataset_section(dataset_card | {"dropped": []}).parts)


def test_images_and_patients_of_each_split_are_counted(dataset_card):
    shown = "".join(labels_section(dataset_card).parts)
    assert '<th scope="row">validation</th><td>20</td><td>15</td><td>10</td><td>10</td><td>virus 10</td>' in shown
