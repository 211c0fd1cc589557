/* The table of prompts. The caption prompts are the wordings that Cria was trained on; the
 * longer ones ask for the things a larger model can tell. */
#include "engine/text/prompts.h"

#include <string.h>

static const struct nawi_prompts prompts[NAWI_PROMPTS_COUNT] = {
    {"ar", "Arabic", "العربية", "صف هذه الصورة.",
     "صف هذه الصورة بالتفصيل: ما الذي يظهر فيها، وأين يوجد كل شيء، وما الألوان والأجواء."},
    {"de", "German", "Deutsch", "Beschreibe dieses Bild.",
     "Beschreibe dieses Bild ausführlich: was zu sehen ist, wo es sich befindet, welche Farben und "
     "welche Stimmung es hat."},
    {"en", "English", "English", "Describe this picture.",
     "Describe this picture in detail: what it shows, where everything is, its colours and its "
     "mood."},
    {"es", "Spanish", "Español", "Describe esta imagen.",
     "Describe esta imagen con detalle: qué muestra, dónde está cada cosa, qué colores tiene y qué "
     "ambiente transmite."},
    {"fr", "French", "Français", "Décris cette image.",
     "Décris cette image en détail : ce qu'elle montre, où se trouve chaque chose, ses couleurs "
     "et son "
     "atmosphère."},
    {"hi", "Hindi", "हिन्दी", "इस चित्र का वर्णन कीजिए।",
     "इस चित्र का विस्तार से वर्णन कीजिए: इसमें क्या दिख रहा है, कौन-सी चीज़ कहाँ है, रंग कैसे "
     "हैं और माहौल कैसा है।"},
    {"id", "Indonesian", "Bahasa Indonesia", "Jelaskan gambar ini.",
     "Jelaskan gambar ini secara rinci: apa yang terlihat, di mana letak setiap benda, warnanya, "
     "dan "
     "suasananya."},
    {"it", "Italian", "Italiano", "Descrivi questa immagine.",
     "Descrivi questa immagine in dettaglio: che cosa mostra, dove si trova ogni cosa, quali "
     "colori ha e "
     "quale atmosfera trasmette."},
    {"pt", "Portuguese", "Português", "Descreva esta imagem.",
     "Descreva esta imagem em detalhes: o que ela mostra, onde está cada coisa, quais são as "
     "cores e qual "
     "é o clima."},
    {"th", "Thai", "ไทย", "อธิบายภาพนี้หน่อย",
     "อธิบายภาพนี้อย่างละเอียด: ในภาพมีอะไรบ้าง แต่ละอย่างอยู่ตรงไหน มีสีอะไร "
     "และบรรยากาศเป็นอย่างไร"},
    {"tl", "Tagalog", "Tagalog", "Ilarawan mo ang larawang ito.",
     "Ilarawan mo nang detalyado ang larawang ito: kung ano ang makikita, kung nasaan ang bawat "
     "bagay, "
     "ang mga kulay, at ang pakiramdam na hatid nito."},
    {"vi", "Vietnamese", "Tiếng Việt", "Hãy mô tả bức ảnh này.",
     "Hãy mô tả chi tiết bức ảnh này: trong ảnh có gì, mỗi vật nằm ở đâu, màu sắc và không khí ra "
     "sao."},
};

const struct nawi_prompts *nawi_prompts_get_all(void) { return prompts; }

const struct nawi_prompts *nawi_prompts_find(const char *code)
{
    for (size_t i = 0; i < NAWI_PROMPTS_COUNT; i++)
        if (strcmp(prompts[i].code, code) == 0)
            return &prompts[i];
    return NULL;
}
