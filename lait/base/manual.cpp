#include "lait/base/manual.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <memory>
#include <sstream>

#include "lait/base/terminal.h"
#include "lait/base/wrap.h"

namespace lait {
namespace {

constexpr size_t kMostColumns = 100, kFewestColumns = 40;
// An option's description begins in this column; on the next line if the option is longer.
constexpr size_t kTermColumns = 30;

std::string indent(const std::string& lines, size_t columns) {
  std::istringstream in(lines);
  std::string out;
  for (std::string line; std::getline(in, line);)
    out += line.empty() ? "\n" : std::string(columns, ' ') + line + "\n";
  return out;
}

std::string entry(const std::string& term, const std::string& meaning, size_t width) {
  const std::string head = "  " + term;
  if (meaning.empty()) return head + "\n";
  if (width < 2 * kTermColumns) return head + "\n" + indent(wrap(meaning, width - 6), 6);
  const std::string text = indent(wrap(meaning, width - kTermColumns), kTermColumns);
  const size_t used = display_width(head);
  return used + 2 <= kTermColumns ? head + text.substr(used) : head + "\n" + text;
}

// What an option takes: "FILE", "auto|cpu|cuda"; "" for a flag.
std::string argument(const CLI::Option& option) {
  if (option.get_type_size() == 0) return "";
  if (!option.get_option_text().empty()) return option.get_option_text();
  const std::string type = option.get_type_name();  // "TEXT:{auto,cpu,cuda}"
  const size_t open = type.find('{'), close = type.rfind('}');
  if (open == std::string::npos || close == std::string::npos)
    return type.substr(0, type.find(':'));
  std::string choices = type.substr(open + 1, close - open - 1);
  std::ranges::replace(choices, ',', '|');
  return choices;
}

std::string option_entry(const CLI::Option& option, size_t width) {
  std::string term = option.get_name(/*positional=*/false, /*all_options=*/true);
  for (size_t at = 0; (at = term.find(',', at)) != std::string::npos; at += 2)
    term.insert(at + 1, " ");
  if (const std::string text = argument(option); !text.empty()) term += " " + text;
  std::string meaning = option.get_description();
  if (!option.get_default_str().empty()) meaning += " (default " + option.get_default_str() + ")";
  return entry(term, meaning, width);
}

// A line of the synopsis, as "lait-x --config FILE [--set KEY=VALUE]...". It is only broken before
// an option. Continuation lines are indented further, so that none looks like the description of an
// option.
std::string synopsis(const std::string& name, std::string form, size_t width) {
  constexpr char kGlue = '\x01';
  int depth = 0;
  for (size_t i = 0; i < form.size(); ++i) {
    depth += (form[i] == '[' || form[i] == '(') - (form[i] == ']' || form[i] == ')');
    const bool argument_follows =
        i + 1 < form.size() &&
        (std::isupper(static_cast<unsigned char>(form[i + 1])) || form[i + 1] == '|');
    if (form[i] == ' ' && (depth > 0 || argument_follows || (i > 0 && form[i - 1] == '|')))
      form[i] = kGlue;
  }
  std::string text =
      indent(wrap(form, width - std::min(width / 2, name.size() + 3)), name.size() + 3);
  std::ranges::replace(text, kGlue, ' ');
  return "  " + name + (form.empty() ? "\n" : text.substr(name.size() + 2));
}

class ManualFormatter : public CLI::FormatterBase {
 public:
  explicit ManualFormatter(Manual manual) : manual_(std::move(manual)) {}

  std::string make_help(const CLI::App* app, std::string, CLI::AppFormatMode) const override {
    const size_t width = std::clamp(terminal_width(STDOUT_FILENO).value_or(kMostColumns),
                                    kFewestColumns, kMostColumns);
    std::string name = app->get_name();
    for (const CLI::App* parent = app->get_parent(); parent != nullptr;
         parent = parent->get_parent())
      name = parent->get_name() + " " + name;
    std::string page = "NAME\n" + indent(wrap(name + " - " + app->get_description(), width - 2), 2);
    page += "\nSYNOPSIS\n";
    std::istringstream forms(manual_.synopsis);
    for (std::string form; std::getline(forms, form);) page += synopsis(name, form, width);
    if (!manual_.description.empty()) {
      page += "\nDESCRIPTION\n";
      std::istringstream paragraphs(manual_.description);
      for (std::string paragraph; std::getline(paragraphs, paragraph);)
        page += indent(wrap(paragraph, width - 2), 2);
    }
    std::string commands, options;
    for (const CLI::App* command : app->get_subcommands([](const CLI::App*) { return true; })) {
      commands += entry(command->get_name(), command->get_description(), width);
    }
    for (const CLI::Option* option : app->get_options([](const CLI::Option*) { return true; }))
      options += option_entry(*option, width);
    if (!commands.empty()) page += "\nCOMMANDS\n" + commands;
    page += "\nOPTIONS\n" + options;
    Entries environment = manual_.environment;
    environment.emplace_back("COLUMNS",
                             "width of help, tables and progress, instead of the terminal's");
    add(page, "ENVIRONMENT", environment, width);
    add(page, "FILES", manual_.files, width);
    add(page, "EXIT STATUS",
        {{"0", "done"},
         {"1", "a bug in the program"},
         {"2",
          "an error that you can fix: wrong options, configs, files, a full disk; the message "
          "says how"},
         {"130, 143", "stopped by Ctrl-C (SIGINT) or SIGTERM"}},
        width);
    if (!manual_.examples.empty()) page += "\nEXAMPLES\n" + indent(manual_.examples, 2);
    return page;
  }

 private:
  static void add(std::string& page, const std::string& title, const Entries& entries,
                  size_t width) {
    if (entries.empty()) return;
    page += "\n" + title + "\n";
    for (const auto& [term, meaning] : entries) page += entry(term, meaning, width);
  }

  Manual manual_;
};

}  // namespace

Entries hub_environment() {
  return {{"HF_HUB_CACHE, HF_HOME",
           "where models are searched by name (default ~/.cache/huggingface/hub)"}};
}

Entries compute_environment() {
  return {
      {"OMP_NUM_THREADS", "CPU threads, if no option or config sets them"},
      {"GOMP_SPINCOUNT",
       "how long idle threads spin before they sleep (the programs set 10000; libgomp's default "
       "is 300000, about 5 ms); OMP_WAIT_POLICY is respected too"},
      {"LAIT_CPU_CAPABILITY",
       "generic, avx2, avx512 or avx512bf16: kernels of that instruction set instead of the "
       "best one"}};
}

void set_manual(CLI::App& app, const Manual& manual) {
  app.get_help_ptr()->description("print this page");
  app.formatter(std::make_shared<ManualFormatter>(manual));
}

}  // namespace lait
