// What every program shares: the one place that prints errors and chooses the exit code.
#pragma once
#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace lait {

constexpr int kExitOk = 0;
constexpr int kExitOurs = 1;  // a bug
constexpr int kExitUser = 2;  // an error that the user can fix
// 130 and 143: stopped by SIGINT or SIGTERM. lait-train has saved its state, unless a second signal
// came.

std::string version_string();  // "lait 0.1.0"

// Joins words into a command line for a shell, quoted where needed, for messages that say what to
// type.
std::string shell_words(const std::vector<std::string>& words);
// Another program, called as this one was: "build/bin/lait-eval" for "build/bin/lait-train".
std::string sibling_program(const std::string& argv0, const std::string& name);

// Adds --version, parses argv and calls body. On an error prints "lait-x: message" to stderr.
// Returns the exit code: body's; 2 for UserError, wrong options, and files, disks and memory that
// fail; 1 for anything else. A closed standard output (EPIPE) ends the program quietly with 0, as
// other command line tools do.
int run_program(CLI::App& app, int argc, char** argv, const std::function<int()>& body);

}  // namespace lait
