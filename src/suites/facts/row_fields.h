#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace emend {

// Reads the fields of an annotation row and records which fields were read, so that unused fields
// can be reported. Answers may be strings, numbers, or lists of one of these. Every error has file,
// row and field, and a hint how to correct the row.
class RowFields {
 public:
  // `where`: "file (row 17)". The row must outlive this object. Throws emend::Error if it is not an
  // object.
  RowFields(const nlohmann::json& row, std::string where);

  // Whether the field exists and is not null; whether it is an object.
  bool has(std::string_view name) const;
  bool is_object(std::string_view name) const;
  // A string, unchanged; empty if it is blank. The same holds for all other texts.
  std::string text(std::string_view name) const;
  std::string text_or_empty(std::string_view name) const;
  // A list of strings without those that are blank; empty if the field is absent.
  std::vector<std::string> texts(std::string_view name) const;
  // An answer as a string.
  std::string answer(std::string_view name) const;
  std::string answer_or_empty(std::string_view name) const;
  // The first of several equivalent answers, which may be in nested lists; empty if the field is
  // absent or an empty list. The other answers are reported as unused.
  std::string first_answer(std::string_view name) const;
  // A boolean; false if the field is absent.
  bool flag(std::string_view name) const;
  // An object in the row, and a list of objects (a single object is a list of one; empty if the
  // field is absent).
  RowFields object(std::string_view name) const;
  std::vector<RowFields> objects(std::string_view name) const;
  // The names of all fields of this object that are not empty.
  std::vector<std::string> names() const;

  // Increments the count of each unused field of the row: "subject", "portability.Reasoning.note",
  // "answers (all but the first)".
  void count_unused(std::map<std::string, size_t>& counts) const;

  [[noreturn]] void refuse(std::string_view name, const std::string& problem,
                           const std::string& hint) const;
  const std::string& where() const { return where_; }

 private:
  RowFields(const nlohmann::json& object, std::string where, std::string path,
            std::shared_ptr<std::set<std::string>> read);
  const nlohmann::json* find(std::string_view name) const;
  const nlohmann::json& get(std::string_view name) const;
  std::string answer_of(const nlohmann::json& value, std::string_view name) const;
  std::string path_of(std::string_view name) const { return path_ + std::string(name); }

  const nlohmann::json* object_;
  std::string where_, path_;  // path_: "" or "portability."
  std::shared_ptr<std::set<std::string>> read_;
};

// Logs the names of the fields of a file that a suite does not use, if there are any.
void log_unused_fields(const std::string& file, const std::map<std::string, size_t>& counts);

}  // namespace emend
