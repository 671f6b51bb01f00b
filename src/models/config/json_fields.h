#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "nn/activation.h"

namespace emend {

// No real dimension is larger; keeps products in range.
constexpr int64_t kMaxDimension = int64_t{1} << 24;

// Throws emend::Error when the file cannot be read or is not a JSON object.
nlohmann::json read_json_object(const std::string& path);

// Reads fields of a config's object. Absent and null fields take the given default; a field of
// another type or out of bounds is an emend::Error that names it (`text_config.vocab_size`).
class JsonFields {
 public:
  JsonFields(std::string path, const nlohmann::json& json);  // the json must outlive this

  int64_t integer(const char* name, int64_t absent, int64_t least, int64_t most) const;
  double number(const char* name, double absent, double least, double most) const;
  bool boolean(const char* name, bool absent) const;
  // An integer, or two equal ones.
  int64_t square(const char* name, int64_t absent, int64_t most) const;
  Activation activation(const char* name, const char* absent) const;
  bool has(const char* name) const { return find(name) != nullptr; }
  std::optional<std::string> string(const char* name) const;
  // A list of `count` numbers; throws when it is absent.
  std::vector<double> numbers(const char* name, int64_t count, double least, double most) const;
  // One token id, a list of them, or nothing.
  std::vector<int64_t> ids(const char* name) const;
  // The first element of a list of strings.
  std::optional<std::string> first_string(const char* name) const;
  // An absent object is an empty one.
  JsonFields object(const char* name) const;
  // The field is absent or has the one value that is implemented.
  void expect(const char* name, const std::string& only) const;
  void expect_flag(const char* name, bool only) const;
  void expect_absent(const char* name) const;
  // Nothing has another name.
  void expect_only(const std::set<std::string>& names) const;
  // Throws the error that the field's value is not among what is expected.
  [[noreturn]] void refuse(const char* name, const std::string& expected) const;

 private:
  const nlohmann::json* find(const char* name) const;
  std::string field(const char* name) const { return path_ + "." + name; }
  [[noreturn]] void refuse(const char* name, const nlohmann::json& value,
                           const std::string& expected) const;

  std::string path_;
  const nlohmann::json* json_;
};

// eos_token_id of the first place that has any; where none has, 2, as transformers' configurations
// of OPT and Llama have it.
std::vector<int64_t> stop_tokens(const std::vector<JsonFields>& places);

}  // namespace emend
