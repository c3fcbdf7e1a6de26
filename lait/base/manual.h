// --help as a manual page: name, synopsis, description, options or commands, environment, files,
// exit status, examples.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
}

namespace lait {

// A term and its meaning: an environment variable, a file.
using Entries = std::vector<std::pair<std::string, std::string>>;

struct Manual {
  std::string synopsis{};     // what follows the program's name, one form a line
  std::string description{};  // one paragraph a line, wrapped at the terminal's width
  Entries environment{};
  Entries files{};
  std::string examples{};  // command lines
};

// The environment variables of programs that take a model's name, and of programs that compute.
Entries hub_environment();
Entries compute_environment();

// Makes app.help() print such a page. The options, their defaults and their arguments (option_text,
// "FILE") come from the app. The exit status is the same for every program.
void set_manual(CLI::App& app, const Manual& manual);

}  // namespace lait
