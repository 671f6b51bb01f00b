#pragma once

#include <string>
#include <vector>

#include "io/image/image.h"

namespace emend::photos {

// The names of the views that keep the answer right, for a text about the photo (question and
// answer, or captions): crop (not for numbers of things, corners and the picture as a whole),
// mirror (not if left and right matter), gray (not if colors matter), lighter, darker.
std::vector<std::string> possible_views(const std::string& text);

// The view, or `lighter` in place of `darker` for a dark photo (mean value below 64), and `darker`
// in place of `lighter` for a bright one (above 192), where the other would hardly be a change.
std::string visible_view(const Image& photo, const std::string& name);

// Another view of the same size. crop: the inner 80 percent of each side; mirror: left and right
// exchanged; gray: luma (ITU-R BT.601); lighter, darker: values x 1.3 and x 0.7. Throws
// emend::Error for another name.
Image view_of(const Image& photo, const std::string& name);

}  // namespace emend::photos
