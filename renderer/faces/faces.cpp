// thumbmill-faces finds the faces in a small grey picture, by OpenCV's cascade of frontal faces.
//
// It reads a PGM with 8 bits a pixel (P5, at most 1,024 pixels a side) from standard input, and prints at most 16 boxes in
// pixels as JSON, the largest first: [{"x":12,"y":30,"side":64}]. It ends with status 1 for other input. With --version it
// prints OpenCV's version. A worker of the renderer runs it in its sandbox, and never gives it an original.
#include <opencv2/core/utility.hpp>
#include <opencv2/objdetect.hpp>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

namespace {

constexpr int most_side = 1024;
constexpr size_t most_faces = 16;

// The numbers are those of Thumbor's detector of faces: each step enlarges the window by 20 %, four windows confirm a face, and a
// face has at least a fifteenth of the shorter side, and 20 pixels.
constexpr double step = 1.2;
constexpr int neighbours = 4;

int smallest(const cv::Mat &picture) { return std::max(20, std::min(picture.cols, picture.rows) / 15); }

bool read(cv::Mat &picture) {
	int width = 0, height = 0, most = 0;
	if (std::scanf("P5 %d %d %d", &width, &height, &most) != 3 || std::getchar() == EOF || most != 255 || width < 1 || height < 1 ||
	    width > most_side || height > most_side)
		return false;
	picture.create(height, width, CV_8UC1);
	return std::fread(picture.data, 1, picture.total(), stdin) == picture.total();
}

int fail(const char *why) {
	std::fprintf(stderr, "thumbmill-faces: %s\n", why);
	return 1;
}

int find() {
	cv::setNumThreads(1);
	cv::Mat picture;
	if (!read(picture))
		return fail("the input is not a PGM with 8 bits a pixel and at most 1024 pixels a side");
	cv::CascadeClassifier cascade;
	if (!cascade.load(CASCADE))
		return fail("cannot read " CASCADE ": install opencv-data");
	std::vector<cv::Rect> faces;
	cascade.detectMultiScale(picture, faces, step, neighbours, 0, cv::Size(smallest(picture), smallest(picture)));
	std::sort(faces.begin(), faces.end(), [](const cv::Rect &a, const cv::Rect &b) { return a.area() > b.area(); });
	faces.resize(std::min(faces.size(), most_faces));
	const char *before = "[";
	for (const cv::Rect &face : faces) {
		std::printf("%s{\"x\":%d,\"y\":%d,\"side\":%d}", before, face.x, face.y, face.width);
		before = ",";
	}
	std::puts(faces.empty() ? "[]" : "]");
	return 0;
}

} // namespace

int main(int count, char **arguments) {
	if (count == 2 && std::strcmp(arguments[1], "--version") == 0)
		return std::printf("OpenCV %s\n", cv::getVersionString().c_str()) < 0;
	try {
		return find();
	} catch (const cv::Exception &problem) {
		return fail(problem.what());
	}
}
