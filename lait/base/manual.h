// --help as a manual page: name, synopsis, description, options or commands, environment, files, exit status, examples.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
}

namespace lait {

// A term and what it means: an environment variable, a file.
using Entries = std::vector<std::pair<std::string, std::string>>;

struct Manual {
  std::string synopsis{};     // what follows the program's name; a line for each form
  std::string description{};  // paragraphs, a line each; broken at the terminal's width
  Entries environment{};
  Entries files{};
  std::string examples{};  // command lines as they are typed
};

// What of the environment programs read that take a model's name, and programs that compute.
Entries hub_environment();
Entries compute_environment();

// Makes app.help() such a page. Options are what the app has; their text says what they default to, and option_text
// ("FILE") what they take. Every program has the same exit status, so the page has it by itself.
void set_manual(CLI::App& app, const Manual& manual);

}  // namespace lait
