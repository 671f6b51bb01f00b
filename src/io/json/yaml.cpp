#include "io/json/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <charconv>
#include <optional>
#include <sstream>
#include <vector>

#include "io/error.h"
#include "io/files/file.h"

namespace emend {
namespace {

using nlohmann::json;

constexpr size_t kDepth = 50;
constexpr uint64_t kBytes = 1 << 20;  // settings are small, and the parser is slow

template <class T>
std::optional<T> whole_text_as(const std::string& text) {
  T value{};
  const char* begin = text.data() + (text[0] == '+' ? 1 : 0);
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(begin, end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7f;
}

// Resolves a plain scalar by the core schema of YAML 1.2; infinities and NaN stay strings.
json plain(const std::string& text) {
  auto any_of = [&](std::initializer_list<const char*> names) {
    return std::find(names.begin(), names.end(), text) != names.end();
  };
  if (text.empty() || any_of({"~", "null", "Null", "NULL"})) return nullptr;
  if (any_of({"true", "True", "TRUE"})) return true;
  if (any_of({"false", "False", "FALSE"})) return false;
  auto digits = text.find_first_not_of("+-.");
  bool numeric = digits != std::string::npos && digits <= 2 && text[digits] >= '0' &&
                 text[digits] <= '9' && text.find_first_of("+-", 1) != 1;
  if (!numeric) return text;
  if (auto whole = whole_text_as<int64_t>(text)) return *whole;
  if (auto number = whole_text_as<double>(text)) return *number;
  return text;
}

// Builds JSON from the parser's events instead of its tree, so that nothing is shared and nothing
// recurses.
class YamlBuilder : public YAML::EventHandler {
 public:
  explicit YamlBuilder(std::string name) : name_(std::move(name)) {}

  [[noreturn]] void fail(const YAML::Mark& mark, const std::string& what,
                         const std::string& hint = "write NAME: VALUE lines") const {
    auto line = mark.is_null() ? std::string() : fmt::format(", line {}", mark.line + 1);
    throw Error("io::yaml", fmt::format("'{}'{}: {}", name_, line, what), hint);
  }
  json result() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++) fail(mark, "a second document begins");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { add(mark, nullptr, "null"); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    fail(mark, "aliases (*NAME) are not supported", "write the value out");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    if (tag == "?" || tag.empty())
      add(mark, plain(value), value);
    else if (tag == "!" || tag == "tag:yaml.org,2002:str")
      add(mark, value, value);
    else
      refuse_tag(mark, tag);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, json::array());
  }
  void OnSequenceEnd() override { stack_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, json::object());
  }
  void OnMapEnd() override { stack_.pop_back(); }

 private:
  struct Open {
    json* value;  // inside root_; the children of an open object do not move
    std::optional<std::string> key;
  };

  [[noreturn]] void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    fail(mark, fmt::format("the tag '{}' is not supported", tag.substr(0, 100)), "remove it");
  }

  void open(const YAML::Mark& mark, const std::string& tag, json empty) {
    if (tag != "?" && tag != "!" && !tag.empty()) refuse_tag(mark, tag);
    if (stack_.size() >= kDepth)
      fail(mark, fmt::format("nested deeper than {} levels", kDepth), "reduce the nesting");
    if (auto* at = add(mark, std::move(empty), std::nullopt)) stack_.push_back({at, {}});
  }

  // `as_key`: receives the string if a key is expected here. Returns the position of the value;
  // null for a key.
  json* add(const YAML::Mark& mark, json value, std::optional<std::string> as_key) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    auto& top = stack_.back();
    if (top.value->is_array()) {
      top.value->push_back(std::move(value));
      return &top.value->back();
    }
    if (!top.key) {
      if (!as_key) fail(mark, "a key is a list or a map");
      if (top.value->contains(*as_key))
        fail(mark, fmt::format("the key '{}' occurs twice", as_key->substr(0, 100)),
             "remove one of them");
      top.key = std::move(*as_key);
      return nullptr;
    }
    auto& slot = (*top.value)[*top.key] = std::move(value);
    top.key.reset();
    return &slot;
  }

  std::string name_;
  json root_;
  std::vector<Open> stack_;
  int documents_ = 0;
};

}  // namespace

json parse_yaml(std::string_view text, const std::string& name) {
  YamlBuilder builder(name);
  try {
    json(text).dump();  // the parser accepts bytes that are not UTF-8
  } catch (const json::exception&) {
    builder.fail(YAML::Mark::null_mark(), "the text is not valid UTF-8", "save it as UTF-8");
  }
  // The parser treats some of these as the end of the file.
  for (size_t i = 0; i < text.size(); ++i)
    if (is_control(text[i]))
      builder.fail(YAML::Mark::null_mark(),
                   fmt::format("byte {} is the control character 0x{:02x}", i,
                               static_cast<unsigned char>(text[i])),
                   "a settings file is plain text; check that it is the right file");
  std::istringstream stream{std::string(text)};
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    builder.fail(error.mark, error.msg);
  }
  return builder.result();
}

json read_yaml(const std::string& path) { return parse_yaml(read_file(path, kBytes), path); }

}  // namespace emend
