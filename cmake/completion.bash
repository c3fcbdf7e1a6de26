# Completion of the lait programs for bash: options from a program's own --help, its subcommands, shipped configs, files.
# `make install` puts it where bash-completion looks; by hand: source cmake/completion.bash
_lait() {
  local program=${COMP_WORDS[0]} word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} subcommand=()
  COMPREPLY=()
  local help
  [[ $COMP_CWORD -gt 1 && ${COMP_WORDS[1]} == [a-z]* ]] && subcommand=("${COMP_WORDS[1]}")  # its options, not the program's
  help=$("$program" "${subcommand[@]}" --help 2>/dev/null)
  if [[ $before == --config ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$("$program" --list-configs 2>/dev/null | cut -d' ' -f1)" -- "$word"
                             compgen -f -X '!*.yaml' -- "$word"; compgen -d -- "$word")
  elif [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(sed -nE 's/^  (-[a-z], )?(--[a-z][a-z-]*).*/\2/p' <<<"$help")" -- "$word")
  elif [[ $COMP_CWORD == 1 ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(sed -nE '/^COMMANDS/,/^$/ s/^  ([a-z][a-z-]*) .*/\1/p' <<<"$help")" -- "$word")
  elif [[ $before == --* ]]; then  # an option's choices, "--device auto|cpu|cuda"
    mapfile -t COMPREPLY < <(compgen -W "$(sed -nE "s/^  $before ([a-z0-9|]+)( .*|$)/\\1/p" <<<"$help" | tr '|' ' ')" -- "$word")
  fi
  [[ ${#COMPREPLY[@]} -gt 0 ]] || mapfile -t COMPREPLY < <(compgen -f -- "$word")
}
complete -o filenames -F _lait lait-train lait-eval lait-predict lait-data lait-bench
