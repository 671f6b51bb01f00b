#pragma once

#include <map>
#include <string>
#include <vector>

namespace emend::photos {

struct Question {
  std::string text, answer;  // "What is under the table?", "garbage bin"
};

// A photo of a data set, with human captions (Flickr8k) or questions (DAQUAR).
struct Photo {
  std::string name;  // flickr8k/1000268201_693b08cb0e.jpg
  std::string file;  // path of the picture
  std::vector<std::string> captions;
  std::vector<Question> questions;
  std::string license = {}, source = {};  // as the annotations say; empty: they do not
};

enum class Split { train, validation, test };

// The text as the model is trained to say it: without spaces before punctuation, without a period
// at the end; the first letter of a caption is small unless the first word is a name in capitals.
std::string caption_text(std::string caption);

// Flickr8k [Hodosh et al. 2013]: FOLDER/captions.txt (`image,caption`) and FOLDER/images/. The
// published split is not part of it: photos are sorted by the hash of their file name; the first
// 1,000 are `test`, the next 1,000 `validation`, and the others (6,091 of 8,091) `train`. Throws
// emend::Error if the layout is different or a photo is missing.
std::vector<Photo> read_flickr8k(const std::string& folder, Split split);

// DAQUAR [Malinowski & Fritz 2014]: FOLDER/all_qa_pairs.txt (alternating lines of questions and
// answers), train_images.txt and test_images.txt (the published split, whose photos are disjoint),
// images/NAME.jpg. Throws emend::Error as above.
std::vector<Photo> read_daquar(const std::string& folder, bool test);

// Photos of COCO with their licenses: FOLDER/captions.json, a list of {id, license, source,
// captions}, and images/ID.jpg. All are held out. Throws emend::Error as above.
std::vector<Photo> read_coco(const std::string& folder);

// The question in the template of `emend ask`: `Question: {} Short answer:`.
std::string question_prompt(const std::string& question);
// The beginning of every caption.
inline constexpr const char* kCaptionPrompt = "a photo of";

}  // namespace emend::photos
