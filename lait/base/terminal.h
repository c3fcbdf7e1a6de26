// The terminal that a program writes to: its width, and whether a line can be redrawn. No program
// uses colours, so NO_COLOR has no effect.
#pragma once
#include <cstddef>
#include <optional>
#include <string>

namespace lait {

// Columns of the terminal behind a file descriptor. COLUMNS takes precedence if it is a number
// below 10,000. nullopt for a pipe or a file without COLUMNS.
std::optional<size_t> terminal_width(int descriptor);

// Writes to standard error. Ignores failures (a full disk, a closed pipe).
void show(const std::string& text);

// Whether standard error is a terminal that can erase a line (TERM is not dumb).
bool redraws_lines();

}  // namespace lait
