#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "nn/activation.h"

namespace emend {

// An upper limit of all dimensions, which keeps products in range.
constexpr int64_t kMaxDimension = int64_t{1} << 24;

// Throws emend::Error if the file cannot be read or is not a JSON object.
nlohmann::json read_json_object(const std::string& path);

// Reads the fields of a config object. Absent and null fields take the default. A field with the
// wrong type or out of range is an emend::Error, which names it (`text_config.vocab_size`).
class JsonFields {
 public:
  JsonFields(std::string path, const nlohmann::json& json);  // the json must outlive this object

  int64_t integer(const char* name, int64_t absent, int64_t least, int64_t most) const;
  double number(const char* name, double absent, double least, double most) const;
  bool boolean(const char* name, bool absent) const;
  // An integer, or a list of two equal integers.
  int64_t square(const char* name, int64_t absent, int64_t most) const;
  Activation activation(const char* name, const char* absent) const;
  bool has(const char* name) const { return find(name) != nullptr; }
  // Whether the field is null; most fields that are null are treated as absent.
  bool is_null(const char* name) const;
  std::optional<std::string> string(const char* name) const;
  // A list of `count` numbers; an absent field is an error.
  std::vector<double> numbers(const char* name, int64_t count, double least, double most) const;
  // One token id, a list of token ids, or nothing.
  std::vector<int64_t> ids(const char* name) const;
  // A list of strings; empty if absent.
  std::vector<std::string> strings(const char* name) const;
  // The first item of a list of strings.
  std::optional<std::string> first_string(const char* name) const;
  // An absent object is treated as empty.
  JsonFields object(const char* name) const;
  // Requires that the field is absent or has the only implemented value.
  void expect(const char* name, const std::string& only) const;
  void expect_flag(const char* name, bool only) const;
  void expect_absent(const char* name) const;
  // Requires that the object has no other fields.
  void expect_only(const std::set<std::string>& names) const;
  // Throws the error that the value of the field is not one of the expected values.
  [[noreturn]] void refuse(const char* name, const std::string& expected) const;

 private:
  const nlohmann::json* find(const char* name) const;
  std::string field(const char* name) const { return path_ + "." + name; }
  [[noreturn]] void refuse(const char* name, const nlohmann::json& value,
                           const std::string& expected) const;

  std::string path_;
  const nlohmann::json* json_;
};

// Returns eos_token_id of the first object that has it. The default is 2, as in transformers'
// configurations of OPT and Llama.
std::vector<int64_t> stop_tokens(const std::vector<JsonFields>& places);

}  // namespace emend
