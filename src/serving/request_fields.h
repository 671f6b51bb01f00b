#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "io/image/image.h"

namespace emend {

// Fields of a request's body, checked strictly. An absent field and null are the same. All
// functions throw ApiError with status 400 that names the field.

// The limit of one text, in bytes.
inline constexpr size_t kMaxTextBytes = 20'000;

// Throws unless the body is an object with these fields only. `what` names it in errors.
void check_fields(const nlohmann::json& body, const std::set<std::string>& known,
                  const std::string& what = "the body");

double number_field(const nlohmann::json& body, const char* name, double otherwise, double least,
                    double most);
int64_t whole_field(const nlohmann::json& body, const char* name, int64_t otherwise, int64_t least,
                    int64_t most);
bool flag_field(const nlohmann::json& body, const char* name, bool otherwise = false);
// Empty if absent.
std::string text_field(const nlohmann::json& body, const std::string& name);
// A text with at least one visible character.
std::string required_text(const nlohmann::json& body, const std::string& name);
// A list of at most `most` elements; empty if absent.
std::vector<nlohmann::json> list_field(const nlohmann::json& body, const std::string& name,
                                       size_t most);
// The same of texts.
std::vector<std::string> texts_field(const nlohmann::json& body, const std::string& name,
                                     size_t most);

// A picture of a request, in a data URL. The file has the bytes that were sent.
struct RequestPicture {
  std::string bytes;
  std::string type;  // of the file: png, jpeg, webp, bmp, gif, ...
  Image image;
};
// `where` names the field in errors.
RequestPicture picture_from_url(const std::string& url, const std::string& where);

}  // namespace emend
