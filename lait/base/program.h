// What every program shares: one place that prints an error and chooses the exit code.
#pragma once
#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace lait {

constexpr int kExitOk = 0;
constexpr int kExitOurs = 1;  // an error of the program
constexpr int kExitUser = 2;  // an error of the user
// 130 and 143: interrupted by SIGINT or SIGTERM; lait-train has saved, unless it was a second signal

std::string version_string();  // "lait 0.1.0"

// Words as a shell reads them back, quoted where it needs that: what a message tells the user to type.
std::string shell_words(const std::vector<std::string>& words);
// Another program of ours as this one was called: "build/bin/lait-eval" beside "build/bin/lait-train".
std::string sibling_program(const std::string& argv0, const std::string& name);

// Adds --version, parses argv, calls body; prints "lait-x: message" to stderr on an error and returns the exit code:
// body's own; 2 for UserError, wrong options (with the nearest option named by CLI11's text), and files, disks and memory
// that do not give what is needed; 1 for the rest.
// A closed standard output (EPIPE) ends the program quietly with 0 as other command line tools do.
int run_program(CLI::App& app, int argc, char** argv, const std::function<int()>& body);

}  // namespace lait
