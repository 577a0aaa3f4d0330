"""Text is escaped, tables have heads for screen readers, and the contents lead to the sections."""

from __future__ import annotations

from model_code.reports import html_page
from model_code.reports.html_page import Html, Section


def test_text_is_escaped_and_html_is_not():
    assert html_page.paragraph("a<b> & c") == "<p>a&lt;b&gt; &amp; c</p>"
    assert html_page.paragraph(Html("<b>a</b>"), "quiet") == '<p class="quiet"><b>a</b></p>'
    assert html_page.bullets(["<i>"]) == "<ul><li>&lt;i&gt;</li></ul>"
    assert 'alt="&lt;a&gt; &quot;b&quot;"' in html_page.image("data:,", '<a> "b"')


def test_a_table_has_a_caption_and_heads_with_a_scope():
    table = html_page.table("A & B", ["Name", "Value"], [["x<y", 1], ["z", 2]])
    assert "<caption>A &amp; B</caption>" in table
    assert table.count('<th scope="col">') == 2
    assert '<th scope="row">x&lt;y</th><td>1</td>' in table
    assert 'tabindex="0"' in table, "what scrolls can be reached with the keyboard"


def test_the_contents_lead_to_the_sections():
    sections = [Section("one", "First", [html_page.paragraph("1")]), Section("two", "Second", [])]
    document = html_page.document("Title", [], sections, html_page.paragraph("end"))
    assert document.startswith('<!doctype html>\n<html lang="en">')
    for anchor in ("one", "two"):
        assert f'href="#{anchor}"' in document
        assert f'<section id="{anchor}" aria-labelledby="{anchor}-title">' in document
    assert document.index("<h1>Title") < document.index("<nav") < document.index('id="one"')
