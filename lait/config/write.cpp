// A config as YAML that reads back to the same config.
#include <charconv>
#include <sstream>

#include "lait/config/fields.h"
#include "lait/config/read.h"

namespace lait {
namespace {

// Text in double quotes, with what YAML and ${VAR} would read otherwise escaped.
std::string quoted(const std::string& text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '"' || c == '\\') {
      out += {'\\', text[i]};
    } else if (c < 0x20 || c == 0x7F) {
      out += {'\\', 'x', kHex[c >> 4], kHex[c & 15]};
    } else if (text.compare(i, 2, "${") == 0) {
      out += "$${";
      ++i;
    } else {
      out += text[i];
    }
  }
  return out + "\"";
}

template <class T>
std::string number(T value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof(buffer), value).ptr};
}

class Writer {
 public:
  template <class T>
  void field(const char* name, const T& value, const Limits&, const char*) {
    const std::string text = format(value);
    if (text.empty()) return;  // not set
    const std::string full = name;
    const size_t dot = full.find('.');
    if (dot == std::string::npos) {
      out_ << full << ": " << text << '\n';
      return;
    }
    if (full.substr(0, dot) != section_) {
      section_ = full.substr(0, dot);
      out_ << section_ << ":\n";
    }
    out_ << "  " << full.substr(dot + 1) << ": " << text << '\n';
  }
  std::string text() const { return out_.str(); }

 private:
  template <class T>
  static std::string format(const std::optional<T>& value) {
    return value ? format(*value) : "";
  }
  static std::string format(const std::string& value) { return value.empty() ? "" : quoted(value); }
  static std::string format(double value) { return number(value); }
  static std::string format(int64_t value) { return number(value); }
  static std::string format(uint64_t value) { return number(value); }
  template <class E>
    requires std::is_enum_v<E>
  static std::string format(E value) {
    return to_string(value);
  }
  static std::string format(const DataFiles& files) {
    std::string out;
    for (const std::string& file : files) out += (out.empty() ? "[" : ", ") + quoted(file);
    return out.empty() ? "" : out + "]";
  }
  static std::string format(const std::vector<Stage>& stages) {
    std::string out;
    for (const Stage& s : stages) {
      out += (out.empty() ? "[" : ", ") + std::string("{num_layers: ") + number(s.num_layers) + ", scope: " + to_string(s.scope) + "}";
    }
    return out.empty() ? "" : out + "]";
  }

  std::ostringstream out_;
  std::string section_;
};

}  // namespace

std::string write_config(const Config& config) {
  Writer writer;
  visit_fields(config, writer);
  return writer.text();
}

}  // namespace lait
