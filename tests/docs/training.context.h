// What the document's fragments take for granted.
const auto made =
    std::system("mkdir -p data && printf 'a red balloon\\n바다 위의 빨간 풍선\\n' > data/1.txt");
xattn::save_png("data/1.png", torch::full({100, 130, 3}, 200, torch::kByte));
