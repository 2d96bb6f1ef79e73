"""What a person can ask besides building; one module a verb, run(session, line) each."""

VERBS = {
    "list": "the stage graph of every experiment: fresh, stale and why, never built",
    "plan": "what would run, in order, and why",
    "why": "one line per stale stage: old -> new",
    "inspect": "what a checkpoint is, holds and could do, on one screen: FILE, or exp=NAME",
    "show": "what is known about a model's use, and the lines that say so: exp=NAME claim=pre.mean",
    "ask": "put the open questions; the answers go into the experiment, under contract:",
    "new": "write experiments/NAME.yaml: exp=NAME checkpoint=FILE and one of name=, source=",
    "adopt": "make the generated adapter your own: recipes/NAME/adapter.py",
    "fresh": "begin a new workspace; the old one stays",
    "verify": "hash everything again and compare with the journal",
    "reproduce": "repeat the build in a copy, without assay, and compare",
    "clean": "remove an experiment's workspace and what is remembered of it",
    "forget": "forget stages, so that they are built again",
    "init": "make this folder a workspace for assay",
    "completion": "print the completion script for bash or zsh",
}
