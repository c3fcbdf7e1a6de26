// How wide a terminal is: COLUMNS if it is a width that a terminal can have, otherwise the
// terminal's own; a pipe has none.
#include "lait/base/terminal.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

namespace lait {
namespace {

class Terminal : public testing::Test {
 protected:
  Terminal() { EXPECT_EQ(pipe(pipe_), 0); }
  ~Terminal() override {
    for (const int end : pipe_) close(end);
    unsetenv("COLUMNS");
  }
  std::optional<size_t> width_with(const char* columns) const {
    setenv("COLUMNS", columns, 1);
    return terminal_width(pipe_[1]);
  }
  int pipe_[2];
};

TEST_F(Terminal, ColumnsSayTheWidth) { EXPECT_EQ(width_with("72"), 72u); }

TEST_F(Terminal, ColumnsThatNoTerminalHasAreNotBelieved) {
  for (const char* columns :
       {"", "0", "-3", "72x", " 72", "wide", "10000", "99999999999999999999999"})
    EXPECT_EQ(width_with(columns), std::nullopt) << columns;
}

TEST_F(Terminal, APipeHasNoWidth) {
  unsetenv("COLUMNS");
  EXPECT_EQ(terminal_width(pipe_[0]), std::nullopt);
}

}  // namespace
}  // namespace lait
