#include "photo_sets.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "io/error.h"
#include "io/files/file.h"
#include "io/files/path.h"
#include "io/hash.h"
#include "io/json/json.h"

namespace emend::photos {
namespace {

constexpr const char* kDataPlace = "photos::data";
constexpr size_t kHeldOut = 1000;

[[noreturn]] void refuse(const std::string& file, const std::string& what,
                         const std::string& hint) {
  throw Error(kDataPlace, fmt::format("'{}' {}", file, what), hint);
}

std::vector<std::string> lines_of(const std::string& file) {
  std::istringstream text(read_file(file));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    lines.push_back(line);
  }
  return lines;
}

std::string trim(const std::string& text) {
  const auto begin = text.find_first_not_of(" \t\"");
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\"") - begin + 1);
}

void check_picture(const std::string& annotations, const std::string& file) {
  if (!is_file(file))
    refuse(annotations, fmt::format("names the photo '{}', which does not exist", file),
           "put all photos of the data set into its folder `images`");
}

// The names in the order of their hashes, which has nothing to do with their content.
std::vector<std::string> by_hash(std::vector<std::string> names) {
  std::sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
    return std::pair(hash_hex(a), a) < std::pair(hash_hex(b), b);
  });
  return names;
}

void replace_every(std::string& text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

// "what is under the table in the image12 ?" -> "What is under the table?"
std::string question_text(std::string line) {
  const auto picture = line.rfind("in the image");
  if (picture != std::string::npos && picture + 12 < line.size() &&
      std::isdigit(static_cast<unsigned char>(line[picture + 12])))
    line = line.substr(0, picture);
  while (!line.empty() && std::string(" ?.,").find(line.back()) != std::string::npos)
    line.pop_back();
  if (!line.empty()) line[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(line[0])));
  return line + "?";
}

std::string image_of(const std::string& line) {
  auto at = line.rfind("image");
  while (at != std::string::npos) {
    auto end = at + 5;
    while (end < line.size() && std::isdigit(static_cast<unsigned char>(line[end]))) ++end;
    if (end > at + 5) return line.substr(at, end - at);
    if (at == 0) break;
    at = line.rfind("image", at - 1);
  }
  return {};
}

}  // namespace

std::string caption_text(std::string caption) {
  caption = trim(caption);
  for (const char* mark : {",", ".", "'s", "!", ";", ":"})
    replace_every(caption, std::string(" ") + mark, mark);
  while (!caption.empty() && std::string(" .").find(caption.back()) != std::string::npos)
    caption.pop_back();
  const bool capitals = caption.size() > 1 && std::isupper(static_cast<unsigned char>(caption[1]));
  if (!caption.empty() && !capitals)
    caption[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(caption[0])));
  return caption;
}

std::vector<Photo> read_flickr8k(const std::string& folder, Split split) {
  const auto file = folder + "/captions.txt";
  const auto lines = lines_of(file);
  if (lines.empty() || lines[0] != "image,caption")
    refuse(file, "does not begin with `image,caption`", "use captions.txt of Flickr8k");
  std::map<std::string, std::vector<std::string>> captions;
  for (size_t i = 1; i < lines.size(); ++i) {
    const auto comma = lines[i].find(',');
    if (lines[i].empty()) continue;
    if (comma == std::string::npos || comma == 0)
      refuse(file, fmt::format("has no photo and caption in line {}", i + 1),
             "each line is `image,caption`");
    const auto text = caption_text(lines[i].substr(comma + 1));
    if (!text.empty()) captions[lines[i].substr(0, comma)].push_back(text);
  }
  std::vector<std::string> names;
  for (const auto& [name, texts] : captions) names.push_back(name);
  if (names.size() < 3 * kHeldOut)
    refuse(file, fmt::format("has only {} photos", names.size()),
           fmt::format("{} photos are held out; use all of Flickr8k", 2 * kHeldOut));
  names = by_hash(names);
  const size_t begin = split == Split::test         ? 0
                       : split == Split::validation ? kHeldOut
                                                    : 2 * kHeldOut;
  const size_t end = split == Split::train ? names.size() : begin + kHeldOut;
  std::vector<Photo> photos;
  for (size_t i = begin; i < end; ++i) {
    const auto picture = folder + "/images/" + names[i];
    check_picture(file, picture);
    photos.push_back({"flickr8k/" + names[i], picture, captions[names[i]], {}});
  }
  return photos;
}

std::vector<Photo> read_daquar(const std::string& folder, bool test) {
  const auto list = folder + (test ? "/test_images.txt" : "/train_images.txt");
  std::vector<std::string> names;
  for (const auto& line : lines_of(list))
    if (!trim(line).empty()) names.push_back(trim(line));
  std::map<std::string, std::vector<Question>> questions;
  const auto file = folder + "/all_qa_pairs.txt";
  const auto lines = lines_of(file);
  for (size_t i = 0; i + 1 < lines.size(); i += 2) {
    const auto image = image_of(lines[i]);
    if (image.empty() || trim(lines[i + 1]).empty())
      refuse(file,
             fmt::format("has no question about an image and its answer in lines {} and {}", i + 1,
                         i + 2),
             "use all_qa_pairs.txt of DAQUAR, where lines of questions and answers alternate");
    auto answer = trim(lines[i + 1]);
    std::replace(answer.begin(), answer.end(), '_', ' ');
    questions[image].push_back({question_text(trim(lines[i])), answer});
  }
  std::vector<Photo> photos;
  for (const auto& name : names) {
    const auto picture = folder + "/images/" + name + ".jpg";
    check_picture(list, picture);
    photos.push_back({"daquar/" + name, picture, {}, questions[name]});
  }
  return photos;
}

std::vector<Photo> read_coco(const std::string& folder) {
  const auto file = folder + "/captions.json";
  const auto rows = read_json(file);
  if (!rows.is_array() || rows.empty())
    refuse(file, "is not a list of photos", "each is {id, license, source, captions}");
  std::vector<Photo> photos;
  for (const auto& row : rows) {
    Photo photo;
    const auto id = json_get<std::string>(row, "id", file);
    photo.name = "coco/" + id + ".jpg";
    photo.file = folder + "/images/" + id + ".jpg";
    photo.license = json_get<std::string>(row, "license", file);
    photo.source = json_get<std::string>(row, "source", file);
    check_picture(file, photo.file);
    for (const auto& caption : json_get<std::vector<std::string>>(row, "captions", file))
      photo.captions.push_back(caption_text(caption));
    photos.push_back(photo);
  }
  return photos;
}

std::string question_prompt(const std::string& question) {
  return fmt::format("Question: {} Short answer:", question);
}

}  // namespace emend::photos
