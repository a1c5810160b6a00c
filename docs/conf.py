"""Sphinx's settings for the site. The pages are Markdown that also reads well where no site is built."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent), str(DOCS)]

project = "airflow-provider-minimax"
author = "The airflow-provider-minimax authors"
copyright = f"2026 {author}"  # noqa: A001 - Sphinx's name
release = metadata.version(project)
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc", "site_extension"]
exclude_patterns = ["_build"]

myst_heading_anchors = 4

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_class_signature = "mixed"
python_maximum_signature_line_length = 90
add_module_names = False

html_theme = "furo"
html_title = f"{project} {release}"
html_logo = html_favicon = "integration-logos/minimax.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_use_index = False
html_domain_indices = False
html_theme_options = {
    # Half of the pages are generated: there is nothing to edit.
    "top_of_page_buttons": [],
    "light_css_variables": {"color-brand-primary": "#6b3fa0", "color-brand-content": "#6b3fa0"},
    "dark_css_variables": {"color-brand-primary": "#c4a1ee", "color-brand-content": "#c4a1ee"},
}
