"""Write the settings reference anew, in the README and in config/default.toml: `python -m tests.reference`."""

from pathlib import Path

from scheduler_app.cli.reference import as_markdown, as_toml

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- settings: written by python -m tests.reference -->\n", "<!-- /settings -->"


def rewritten() -> dict[Path, str]:
    """Return what the files say when they are right."""
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    return {
        readme: f"{before}{BEGIN}{as_markdown()}{END}{after}",
        ROOT / "config" / "default.toml": as_toml(),
    }


if __name__ == "__main__":
    for path, text in rewritten().items():
        path.write_text(text)
