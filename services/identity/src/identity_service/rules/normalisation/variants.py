"""Variant characters of names in one writing.

One person's name is written 渡邊, 渡邉 or 渡辺 by different departments, because their systems, or the hands that typed
it, had only one of the forms. Each table names its source; a form is folded only where the source calls both one
character.

Never folded, because they are names of different people: 渡部 and 渡辺, 伊東 and 伊藤, 阿部 and 安部, 川 and 河,
太田 and 大田, 碕 and 崎, 美 and 実.
"""

_OLD_TO_NEW = """
亞亜 惡悪 壓圧 圍囲 醫医 爲為 壹壱 隱隠 榮栄 營営 衞衛 驛駅 圓円 緣縁 艷艶 鹽塩 奧奥 應応 橫横 歐欧 毆殴 黃黄
溫温 穩穏 假仮 價価 畫画 會会 囘回 壞壊 懷懐 繪絵 擴拡 殼殻 覺覚 學学 嶽岳 樂楽 勸勧 卷巻 寬寛 歡歓 罐缶 觀観
關関 陷陥 巖巌 顏顔 歸帰 氣気 龜亀 僞偽 戲戯 犧犠 舊旧 據拠 擧挙 峽峡 挾挟 敎教 狹狭 曉暁 區区 驅駆 勳勲 薰薫
徑径 惠恵 揭掲 溪渓 經経 繼継 莖茎 螢蛍 輕軽 鷄鶏 藝芸 擊撃 缺欠 儉倹 劍剣 圈圏 檢検 權権 獻献 縣県 硏研 險険
顯顕 驗験 嚴厳 效効 廣広 恆恒 鑛鉱 號号 國国 黑黒 濟済 碎砕 齋斎 劑剤 櫻桜 雜雑 參参 慘惨 棧桟 蠶蚕 贊賛 殘残
絲糸 齒歯 兒児 辭辞 濕湿 實実 寫写 釋釈 壽寿 收収 從従 澁渋 獸獣 縱縦 肅粛 處処 緖緒 敍叙 奬奨 將将 燒焼 稱称
證証 乘乗 剩剰 壤壌 孃嬢 條条 淨浄 狀状 疊畳 讓譲 釀醸 觸触 寢寝 愼慎 晉晋 眞真 盡尽 圖図 粹粋 醉酔 穗穂 隨随
髓髄 數数 樞枢 聲声 靜静 齊斉 攝摂 竊窃 專専 戰戦 淺浅 潛潜 纖繊 踐践 錢銭 禪禅 雙双 壯壮 搜捜 插挿 爭争 總総
聰聡 莊荘 裝装 騷騒 增増 藏蔵 臟臓 屬属 續続 體体 對対 帶帯 滯滞 臺台 瀧滝 擇択 澤沢 單単 擔担 膽胆 團団 彈弾
斷断 遲遅 晝昼 蟲虫 鑄鋳 廳庁 徵徴 聽聴 敕勅 鎭鎮 遞逓 鐵鉄 轉転 點点 傳伝 黨党 盜盗 燈灯 當当 鬪闘 德徳 獨独
讀読 屆届 繩縄 貳弐 惱悩 腦脳 霸覇 廢廃 拜拝 賣売 麥麦 發発 髮髪 拔抜 蠻蛮 祕秘 濱浜 甁瓶 拂払 佛仏 竝並 變変
邊辺 辨弁 瓣弁 辯弁 步歩 寶宝 豐豊 沒没 飜翻 槇槙 萬万 滿満 默黙 彌弥 藥薬 譯訳 豫予 餘余 與与 譽誉 搖揺 樣様
謠謡 來来 賴頼 亂乱 覽覧 龍竜 兩両 獵猟 綠緑 淚涙 壘塁 勵励 禮礼 隸隷 靈霊 齡齢 戀恋 爐炉 勞労 樓楼 郞郎 祿禄
錄録 灣湾 瑤瑶 遙遥 堯尭 凜凛 晄晃 亙亘 曾曽 檜桧 禰祢 穰穣 萠萌 瀨瀬 淸清 靑青 産產 彥彦 瀆涜 蔣蒋 賤賎 頰頬
鷗鴎 繫繋 搔掻 摑掴 攪撹 槪概
"""
"""旧字体 to 新字体: 常用漢字表 (内閣告示 第2号, 2010), and the pairs of 人名用漢字 (戸籍法施行規則 別表第二 一, 二)."""

_WRITTEN_ALIKE = """
髙高 﨑崎 嵜崎 邉辺 㟢崎 嶋島 嶌島 冨富 峯峰 渕淵 渊淵 舘館 桒桑 栁柳 𠮷吉 𣘺橋 𫝆今 𫞎平 埜野 圡土 𡈽土 靍鶴
靏鶴 濵浜 曻昇 隝島 嶹島 薗園 苅刈 籠篭 薮藪 竃竈 莱萊 砺礪 蛎蠣 鰺鯵 舩船 蘓蘇 㐂喜 閒間 冝宜 凉涼 泻潟 姊姉
葊庵 栢柏 﨔欅 秌秋 穐秋 龝秋 煕熙 凞熙 咊和 龢和 啟啓 兎兔 莵菟 厩廐 鉃鉄 鐡鉄 銕鉄
"""
"""法務省 民二第5202号通達 (氏又は名の記載: 誤字, 俗字, 正字), MJ縮退マップ, JIS X 0213 の包摂規準."""

_RADICALS = "⺠民 ⻁虎 ⻄西 ⻆角 ⻑長 ⻘青 ⻝食 ⻤鬼 ⻨麦 ⻩黄 ⻫斉 ⻭歯 ⻯竜 ⻲亀 ⺒巳 ⻂衣 ⻃西 ⻉貝 ⻋車 ⻌辶"
"""CJK Radicals Supplement (U+2E80): look like ideographs, come out of PDF files, and NFKC does not know them."""


def _table(*lists: str) -> dict[int, str]:
    pairs = (pair for one in lists for pair in one.split())
    return {ord(pair[0]): pair[1] for pair in pairs if pair[0] != pair[1]}


_VARIANTS = _table(_OLD_TO_NEW, _WRITTEN_ALIKE, _RADICALS)


def one_writing(text: str) -> str:
    """Return text with each variant character as its common form. Text is in NFKC already (`nfkc`), which strips IVS.

    斉 and 斎 are two characters and stay so, except before 藤: there every list mixes them (斉藤, 斎藤, 齊藤, 齋藤).
    """
    if text.isascii():
        return text
    text = text.translate(_VARIANTS)
    return text.replace("斉藤", "斎藤")
