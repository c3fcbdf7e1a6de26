// lait/base/: what all parts share: errors, files, JSON, the terminal, signals, programs.
//
// Errors: libraries throw, only main (lait/base/program.h) prints and exits.
//
// A UserError is the user's mistake (exit 2): a wrong config key, a malformed file, an impossible
// value. Its text says where, what was expected, what was found, and how to fix it, e.g.
//   "train.tsv:17: expected 12 columns, got 11; fix the line or set data.skip_bad_lines"
// Every other exception is ours (exit 1).
#pragma once
#include <stdexcept>
#include <string>

namespace lait {

struct UserError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Calls body. A UserError that it throws gets `where` in front of its text, as in "data.test:
// example 3: expected …".
template <class Body>
auto with_context(const std::string& where, Body&& body) {
  try {
    return body();
  } catch (const UserError& error) {
    throw UserError(where + ": " + error.what());
  }
}

}  // namespace lait
