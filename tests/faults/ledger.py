"""Counts the faults that were injected and survived: a row per kind of fault, a column per stage."""

from collections import defaultdict

from tests.helpers import project

STAGES = [*project.STAGES]


class Ledger:
    def __init__(self):
        self.counts = defaultdict(lambda: [0, 0])  # injected, survived
        self.failures = []
        self.notes = []

    def record(self, kind, stage, fault, problems):
        """Count one fault; it was survived if there are no `problems`."""
        if (kind, stage) not in self.counts:
            print(f"{kind}: {stage}", flush=True)
        self.counts[kind, stage][0] += 1
        self.counts[kind, stage][1] += not problems
        for problem in problems:
            line = f"{kind}, {stage}, {fault}: {problem}"
            self.failures.append(line)
            print("FAILED", line, flush=True)

    @property
    def injected(self):
        return sum(injected for injected, _ in self.counts.values())

    @property
    def survived(self):
        return sum(survived for _, survived in self.counts.values())

    def table(self):
        """The counts as a Markdown table: faults survived of faults injected."""
        columns = [*STAGES, "all"]
        used = [name for name in columns if any(stage == name for _, stage in self.counts)]
        lines = ["| fault | " + " | ".join([*used, "survived"]) + " |", "|---" * (len(used) + 2) + "|"]
        for kind in dict.fromkeys(kind for kind, _ in self.counts):
            cells = [self.counts.get((kind, stage), [0, 0]) for stage in used]
            total = [sum(column) for column in zip(*cells, strict=True)]
            shown = [
                f"{survived}" if injected == survived else f"{survived} of {injected}" for injected, survived in cells
            ]
            shown = [cell if cell != "0" else "" for cell in shown]
            lines.append(f"| {kind} | " + " | ".join([*shown, f"{total[1]:,} of {total[0]:,}"]) + " |")
        return "\n".join(lines)

    def report(self):
        parts = [self.table(), f"\n{self.survived:,} of {self.injected:,} faults survived."]
        parts += [f"\n{note}" for note in self.notes]
        parts += ["\nNot survived:\n", *(f"- {line}" for line in self.failures)] if self.failures else []
        return "\n".join(parts) + "\n"
