#include "eval/answers_object.h"

#include <nlohmann/json.hpp>

#include "lait/base/error.h"
#include "lait/base/shown_text.h"

namespace lait {

void AnswersObject::add(std::string_view lines) {
  std::string out;
  for (size_t begin = 0, end = 0; begin < lines.size(); begin = end + 1) {
    end = lines.find('\n', begin);
    const auto line = nlohmann::json::parse(lines.substr(begin, end - begin));
    const std::string place = "--answers: prediction " + std::to_string(++lines_);
    const auto answer = line.find("answer"), id = line.find("id");
    if (answer == line.end())
      throw UserError(
          "--answers: expected a checkpoint that finds answers (task: squad), got "
          "another; leave it out");
    if (id == line.end()) throw UserError(place + ": expected the question's \"id\", got none");
    const std::string name = id->is_string() ? id->get<std::string>() : id->dump();
    if (!ids_.insert(name).second)
      throw UserError(place + ": expected each id once, got " + shown(name) + " twice");
    out += (ids_.size() == 1 ? "{" : ",\n ") + nlohmann::json(name).dump() + ": " + answer->dump();
  }
  write_(out);
}

void AnswersObject::finish() { write_(ids_.empty() ? "{}\n" : "}\n"); }

}  // namespace lait
