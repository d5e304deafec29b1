"""The manual pages and the completions name every subcommand and option that --help names."""

import functools
import os
import pathlib
import re
import shutil
import subprocess
import unittest

BIN, SHARE = pathlib.Path(os.environ["XATTN_BIN_DIR"]), pathlib.Path(os.environ["XATTN_SHARE"])


@functools.cache
def help_of(*words):
    return subprocess.run([BIN / words[0], *words[1:], "--help"], capture_output=True, encoding="utf-8", check=True).stdout


def options_of(*words):
    # At the start of a line, or after a short name.
    found = re.findall(r"^  (?:-\w,)?(--[\w-]+)", help_of(*words), re.MULTILINE)
    assert "--help" in found
    return set(found)


def subcommands():
    found = re.findall(r"^  (\w+)", help_of("xattn").split("Subcommands:")[1], re.MULTILINE)
    assert "run" in found
    return found


COMMANDS = [("xattn-demo",), ("xattn",), *(("xattn", name) for name in subcommands())]


class Manual(unittest.TestCase):
    def test_page_has_every_option_of_every_subcommand(self):
        for words in COMMANDS:
            page = (SHARE / f"man/man1/{words[0]}.1").read_text().replace("\\-", "-")
            part = page.split(f'.SS "{" ".join(words)} ')[1].split(".SS")[0] if words[1:] else page
            for option in options_of(*words):
                self.assertRegex(part, rf"(?m)^\.B (-\w,)?{option}\b", words)


class Completions(unittest.TestCase):
    def bash(self, *words):
        """What bash offers for the last of these words."""
        script = f"""source {SHARE}/bash-completion/completions/{words[0]} || exit 1
COMP_WORDS=({" ".join(map(repr, words))}); COMP_CWORD={len(words) - 1}
_{words[0].replace("-", "_")}; printf '%s\\n' "${{COMPREPLY[@]}}" """
        return set(subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split())

    @unittest.skipUnless(shutil.which("bash"), "no bash")
    def test_bash(self):
        self.assertEqual(self.bash("xattn", ""), {*subcommands(), *options_of("xattn")})
        for words in COMMANDS:
            self.assertLessEqual(options_of(*words), self.bash(*words, "--"))
            self.assertEqual(self.bash(*words, "--not-there"), set())
        self.assertEqual(self.bash("xattn", "run", "model"), set())  # bash offers files then

    def test_zsh_and_fish(self):
        for words in COMMANDS:
            zsh = (SHARE / f"zsh/site-functions/_{words[0]}").read_text()
            fish = (SHARE / f"fish/vendor_completions.d/{words[0]}.fish").read_text()
            if words[1:]:
                zsh = zsh.split(f"  1:{words[1]})")[1].split(";;")[0]
                fish = "".join(line for line in fish.splitlines() if f"from {words[1]}'" in line)
            for option in options_of(*words):
                self.assertRegex(zsh, rf"'{option}=?\[")
                self.assertRegex(fish, rf"-l {option[2:]} ")
        for shell, file in (("zsh", "zsh/site-functions/_xattn"), ("fish", "fish/vendor_completions.d/xattn.fish")):
            if shutil.which(shell):
                subprocess.run([shell, "-n", SHARE / file], check=True)


if __name__ == "__main__":
    unittest.main()
