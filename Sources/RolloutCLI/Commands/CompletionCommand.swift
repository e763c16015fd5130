/// `rollout completion bash|zsh|fish`
enum CompletionCommand {
  static let command = Subcommand(
    "completion", ["SHELL"], "completion for bash, zsh or fish: source its output",
    examples: [
      "source <(rollout completion bash)",
      "rollout completion zsh > ~/.zfunc/_rollout",
      "rollout completion fish > ~/.config/fish/completions/rollout.fish",
    ]
  ) { session in
    switch session.operand(0) {
    case "bash": session.terminal.print(bash)
    case "zsh": session.terminal.print(zsh)
    case "fish": session.terminal.print(fish)
    case let other:
      throw CLIFailure(.usage, "There is completion for bash, zsh and fish, not \(other).")
    }
  }

  // What belongs at the cursor is asked of the program (`CompleteCommand`), so that all shells
  // know the same, and a newer program needs no newer script.

  private static let bash = #"""
    _rollout() {
      local word
      COMPREPLY=()
      while IFS= read -r word; do
        if [ "$word" = ":files" ]; then
          compopt -o default
          COMPREPLY=()
          return
        fi
        COMPREPLY+=("${word%%$'\t'*}")
      done < <(rollout __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    }
    complete -F _rollout rollout
    """#

  private static let zsh = #"""
    #compdef rollout
    _rollout() {
      local line tab=$'\t'
      local -a found
      while IFS= read -r line; do
        if [[ "$line" == ":files" ]]; then
          _files
          return
        fi
        line=${line//:/\\:}
        found+=("${line/$tab/:}")
      done < <(rollout __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)
      _describe rollout found
    }
    if [ "$funcstack[1]" = "_rollout" ]; then _rollout "$@"; else compdef _rollout rollout; fi
    """#

  private static let fish = #"""
    function __rollout_complete
      set -l words (commandline -opc) (commandline -ct)
      for line in (rollout __complete -- $words[2..-1] 2>/dev/null)
        if test "$line" = ":files"
          __fish_complete_path (commandline -ct)
        else
          printf '%s\n' $line
        end
      end
    end
    complete -c rollout -f -a '(__rollout_complete)'
    """#
}
