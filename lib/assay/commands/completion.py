"""Verb completion: what TAB offers, as plain shell: no Python is started."""

from assay.commandline import Line
from assay.commands import VERBS
from assay.errors import WrongInput
from assay.plan import NAMES

BASH = """# assay's completion for bash:   source <(assay completion bash)
_assay_experiments() {{
  local folder=$PWD
  while [ "$folder" != / ] && [ ! -d "$folder/experiments" ]; do folder=$(dirname "$folder"); done
  local file
  for file in "$folder"/experiments/*.yaml; do [ -e "$file" ] && basename "$file" .yaml; done
}}
_assay() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} line=${{COMP_LINE:0:COMP_POINT}}
  local last=${{line##* }}
  case $last in
    exp=*)
      local typed=${{last#exp=}}
      local before_comma=${{typed%"${{typed##*,}}"}}
      COMPREPLY=($(compgen -P "$before_comma" -W "$(_assay_experiments)" -- "${{typed##*,}}")) ;;
    checkpoint=*|source=*)
      compopt -o filenames
      COMPREPLY=($(compgen -f -- "${{last#*=}}")) ;;
    *:*) COMPREPLY=($(compgen -W "$(_assay_experiments)" -- "${{last#*:}}")) ;;
    *)
      local offered="{words} exp="
      [ "$1" = assay ] && [ "$COMP_CWORD" -gt 1 ] && offered="$offered $(_assay_experiments)"
      COMPREPLY=($(compgen -W "$offered" -- "$word"))
      [ "${{COMPREPLY[*]}}" = "exp=" ] && compopt -o nospace ;;
  esac
}}
complete -F _assay assay doit
"""
ZSH = """#compdef assay doit
# assay's completion for zsh:   source <(assay completion zsh)
_assay_experiments() {{
  local folder=$PWD
  while [[ $folder != / && ! -d $folder/experiments ]]; do folder=${{folder:h}}; done
  local -a names; names=($folder/experiments/*.yaml(N:t:r))
  print -l $names
}}
_assay() {{
  local -a names; names=(${{(f)"$(_assay_experiments)"}})
  if compset -P 'exp=' || compset -P 'exp=*,'; then compadd -a names
  elif compset -P '(checkpoint|source)='; then _files
  elif compset -P '*:'; then compadd -a names
  else
    compadd {words}
    compadd -S '' exp=
    [[ $words[1] == assay ]] && compadd -a names
  fi
}}
(( $+functions[compdef] )) && compdef _assay assay doit
"""
SHELLS = {"bash": BASH, "zsh": ZSH}


def run_for(line: Line) -> int:
    """Print the script for a shell."""
    shell = line.words[0] if line.words else ""
    if shell not in SHELLS:
        raise WrongInput(
            f"no completion for {shell!r}" if shell else "completion needs a shell",
            mend="assay completion bash, or zsh",
        )
    print(SHELLS[shell].format(words=" ".join([*NAMES, *VERBS])), end="")
    return 0
