#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace emend {

// Reads the fields of an annotation row and records which ones it has read, so that the others can
// be named. Answers may be written as text, as a number, or as a list of one of these. Every error
// names file, row and field and says how to correct the row.
class RowFields {
 public:
  // `where`: "file (row 17)". The row must outlive this. Throws emend::Error when it is no object.
  RowFields(const nlohmann::json& row, std::string where);

  // Whether the field is there and not null; whether it is an object.
  bool has(std::string_view name) const;
  bool is_object(std::string_view name) const;
  // Text, exactly.
  std::string text(std::string_view name) const;
  std::string text_or_empty(std::string_view name) const;
  // Several texts; empty when the field is absent.
  std::vector<std::string> texts(std::string_view name) const;
  // An answer, as text.
  std::string answer(std::string_view name) const;
  std::string answer_or_empty(std::string_view name) const;
  // The first of several equally good answers, which may be grouped in lists of lists; empty when
  // the field is absent or an empty list. The others are named as unused.
  std::string first_answer(std::string_view name) const;
  // True or false; false when the field is absent.
  bool flag(std::string_view name) const;
  // An object within the row, and a list of objects (one object alone is a list of one; empty when
  // the field is absent).
  RowFields object(std::string_view name) const;
  std::vector<RowFields> objects(std::string_view name) const;
  // All fields of this object that hold something.
  std::vector<std::string> names() const;

  // Adds one to the count of each field of the row that has not been read: "subject",
  // "portability.Reasoning.note", "answers (all but the first)".
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

// One log line that names the fields of a file that a suite does not use; nothing when there are
// none.
void log_unused_fields(const std::string& file, const std::map<std::string, size_t>& counts);

}  // namespace emend
