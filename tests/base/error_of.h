// What a mistake of the user is told. Only tests see this.
#pragma once
#include <string>

#include "lait/base/error.h"

namespace lait {

// The text of the UserError that `call` throws; "" if it throws none.
template <class Call>
std::string error_of(Call&& call) {
  try {
    call();
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

}  // namespace lait
