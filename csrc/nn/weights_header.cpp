#include "nn/weights_header.h"

#include "base/error.h"

namespace samebits {
namespace {

constexpr size_t kMaxTensors = 65536;
constexpr size_t kMaxDimensions = 8;
constexpr size_t kMaxName = 256;
constexpr char kNotPrintable = '\x7f';
constexpr int64_t kMaxNumber = int64_t{1} << 48;

// No nesting deeper than the grammar below, hence no recursion that a hostile header could drive.
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view json) : json_(json) {}

  std::vector<TensorEntry> read() {
    std::vector<TensorEntry> tensors;
    bool metadata_seen = false;
    read_members([&](std::string name) {
      if (name == "__metadata__") {
        if (metadata_seen) refuse("__metadata__ appears twice");
        metadata_seen = true;
        read_members([&](const std::string&) { read_string(); });
        return;
      }
      if (tensors.size() == kMaxTensors) refuse("more than 65536 tensors");
      tensors.push_back(read_tensor(std::move(name)));
    });
    skip_space();
    if (position_ != json_.size()) refuse("text after the header's object");
    return tensors;
  }

 private:
  [[noreturn]] void refuse(const std::string& message) const {
    fail(ErrorKind::invalid_argument,
         "weights file header: " + message + " (byte " + std::to_string(position_ + 8) + ")");
  }

  void skip_space() {
    while (position_ < json_.size() && (json_[position_] == ' ' || json_[position_] == '\t' ||
                                        json_[position_] == '\n' || json_[position_] == '\r'))
      ++position_;
  }

  // True and past it if the next character, after spaces, is c.
  bool accept(char c) {
    skip_space();
    if (position_ >= json_.size() || json_[position_] != c) return false;
    ++position_;
    return true;
  }

  void expect(char c) {
    if (!accept(c)) refuse(std::string("expected '") + c + "'");
  }

  char next_char() {
    if (position_ >= json_.size()) refuse("ends inside a string");
    return json_[position_++];
  }

  template <class Member>
  void read_members(const Member& member) {
    expect('{');
    if (accept('}')) return;
    do {
      std::string name = read_name();
      expect(':');
      member(std::move(name));
    } while (accept(','));
    expect('}');
  }

  std::string read_string() {
    expect('"');
    std::string text;
    for (char c = next_char(); c != '"'; c = next_char()) {
      if (static_cast<unsigned char>(c) < 0x20) refuse("control character in a string");
      if (c == '\\')
        read_escape(text);
      else
        text += c;
    }
    return text;
  }

  // Text that ends up in lookups and error messages: short and printable ASCII.
  std::string read_name() {
    std::string name = read_string();
    if (name.size() > kMaxName) refuse("a name is longer than 256 bytes");
    for (char c : name)
      if (c < 0x20 || c >= kNotPrintable) refuse("a name is not printable ASCII");
    return name;
  }

  void read_escape(std::string& text) {
    constexpr std::string_view kEscapes = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    const char c = next_char();
    if (c == 'u') {
      const unsigned code = read_hex4();
      text += code < 0x80 ? static_cast<char>(code) : kNotPrintable;
      return;
    }
    const size_t index = kEscapes.find(c);
    if (index == std::string_view::npos) refuse("unknown escape in a string");
    text += kMeanings[index];
  }

  unsigned read_hex4() {
    unsigned value = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = next_char();
      const size_t digit =
          std::string_view("0123456789abcdef").find(c >= 'A' && c <= 'F' ? c + 32 : c);
      if (digit == std::string_view::npos) refuse("wrong \\u escape in a string");
      value = value * 16 + static_cast<unsigned>(digit);
    }
    return value;
  }

  int64_t read_number() {
    skip_space();
    const size_t first = position_;
    int64_t value = 0;
    while (position_ < json_.size() && json_[position_] >= '0' && json_[position_] <= '9') {
      value = value * 10 + (json_[position_++] - '0');
      if (value > kMaxNumber) refuse("number above 2^48");
    }
    if (position_ == first) refuse("expected a number >= 0");
    if (json_[first] == '0' && position_ - first > 1) refuse("number with leading zero");
    return value;
  }

  std::vector<int64_t> read_numbers(size_t limit) {
    std::vector<int64_t> numbers;
    expect('[');
    if (accept(']')) return numbers;
    do {
      if (numbers.size() == limit) refuse("list longer than " + std::to_string(limit));
      numbers.push_back(read_number());
    } while (accept(','));
    expect(']');
    return numbers;
  }

  TensorEntry read_tensor(std::string name) {
    TensorEntry tensor;
    tensor.name = std::move(name);
    std::vector<int64_t> offsets;
    unsigned seen = 0;
    const auto once = [&](unsigned bit) {
      if (seen & bit) refuse("a member of tensor '" + tensor.name + "' appears twice");
      seen |= bit;
    };
    read_members([&](const std::string& member) {
      if (member == "dtype") {
        once(1);
        tensor.dtype = read_name();
      } else if (member == "shape") {
        once(2);
        tensor.shape = read_numbers(kMaxDimensions);
      } else if (member == "data_offsets") {
        once(4);
        offsets = read_numbers(2);
      } else {
        refuse("unknown member '" + member + "' of tensor '" + tensor.name + "'");
      }
    });
    if (seen != 7 || offsets.size() != 2)
      refuse("tensor '" + tensor.name + "' needs dtype, shape and two data_offsets");
    tensor.begin = offsets[0];
    tensor.end = offsets[1];
    return tensor;
  }

  std::string_view json_;
  size_t position_ = 0;
};

}  // namespace

std::vector<TensorEntry> parse_weights_header(std::string_view json) {
  return HeaderReader(json).read();
}

}  // namespace samebits
