"""Why: every reason code that a model, a rule or the guard gives, its text in English and Arabic, and who may see it.

A code is an entity's kind and a topic (`card.velocity`), something of the order itself (`order.avs`), the word of a
refusal (`refused.ill_formed`), or the model's own (`model.combined`). The table is closed: a feature that is in no
topic has the code `model.other`. Texts name a subject, not a direction: a low number may be the reason too.

Partners and customers may at most see the codes marked for them, never the feature or the number behind one: these are
for analysts. What is marked tells of an attack or of what the customer typed, and does not tell how to get around us.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import msgspec

from models.decisions import Reason

Language = Literal["en", "ar"]
Audience = Literal["analyst", "partner", "customer"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

COMBINED, OTHER = "model.combined", "model.other"


class Text(msgspec.Struct, frozen=True):
    """`partner` and `customer`: whether the code and its text may be shown to them."""

    en: str
    ar: str
    partner: bool = False
    customer: bool = False

    def within(self, language: Language) -> str:
        return self.ar if language == "ar" else self.en


_KINDS: Mapping[str, tuple[str, str]] = {
    "customer": ("this customer", "هذا العميل"),
    "card": ("this card", "هذه البطاقة"),
    "device": ("this device", "هذا الجهاز"),
    "session": ("this visit", "هذه الزيارة"),
    "visit": ("the visit before the order", "هذه الزيارة السابقة للطلب"),
    "ip": ("this internet address", "عنوان الإنترنت هذا"),
    "network": ("this network", "هذه الشبكة"),
    "email": ("this e-mail address", "هذا البريد الإلكتروني"),
    "phone": ("this phone number", "رقم الهاتف هذا"),
    "address": ("this delivery address", "عنوان التوصيل هذا"),
    "seller": ("this seller", "هذا البائع"),
}

# What is told of an entity, which stands at the braces: the topic that features of a source are in has its name.
_TOPICS: Mapping[str, tuple[str, str]] = {
    "velocity": ("Number and pace of orders of {}", "عدد الطلبات ووتيرتها ل{}"),
    "spend": ("Amounts of the orders of {}", "مبالغ الطلبات ل{}"),
    "amount": ("The amount beside what is usual for {}", "مبلغ الطلب مقارنةً بالمعتاد ل{}"),
    "quantity": ("How many goods beside what is usual for {}", "كمية البضائع مقارنةً بالمعتاد ل{}"),
    "age": ("How long {} has been known", "مدة معرفتنا ب{}"),
    "spread": ("Different cards, people or places seen with {}", "تعدد البطاقات أو الأشخاص أو الأماكن المرتبطة ب{}"),
    "automation": ("Signs of a script in {}", "علامات التصفح الآلي ل{}"),
    "declines": ("Declined payment attempts of {}", "محاولات الدفع المرفوضة ل{}"),
    "payments": ("Approved payment attempts of {}", "محاولات الدفع المقبولة ل{}"),
    "frauds": ("Earlier chargebacks and confirmed fraud of {}", "عمليات رد المبالغ والاحتيال المؤكد سابقًا ل{}"),
    "logins": ("Successful log-ins of {}", "عمليات تسجيل الدخول الناجحة ل{}"),
    "logins_failed": ("Failed log-ins of {}", "محاولات تسجيل الدخول الفاشلة ل{}"),
    "credential_changes": (
        "Changes of password or contact data of {}", "تغييرات كلمة المرور أو بيانات الاتصال ل{}"
    ),
    "addresses_added": ("Addresses added lately for {}", "العناوين المضافة حديثًا ل{}"),
    "registrations": ("Accounts registered from {}", "الحسابات الجديدة المرتبطة ب{}"),
    "visits": ("Pages visited and time spent on them, of {}", "الصفحات المتصفَّحة ومدة تصفحها ل{}"),
    "assets": ("Images and scripts loaded in {}", "الصور والنصوص البرمجية المحمَّلة ل{}"),
    "checkouts": ("Visits to basket and check-out of {}", "زيارات صفحات السلة والدفع ل{}"),
    "accounts": ("Visits to log-in and profile pages of {}", "زيارات صفحات الدخول والملف الشخصي ل{}"),
    "errors": ("Pages that ended in an error, of {}", "الصفحات التي انتهت بخطأ ل{}"),
    "refunds": ("Refunds of {}", "المبالغ المستردة ل{}"),
    "promotions": ("Promotions used with {}", "العروض الترويجية المستخدمة ل{}"),
    "contests": ("Contests entered with {}", "المسابقات المشترَك فيها ل{}"),
    "reviews": ("Reviews submitted with {}", "التقييمات المرسلة ل{}"),
    "verifications": ("Identity checks passed, of {}", "عمليات التحقق من الهوية الناجحة ل{}"),
    "verifications_failed": ("Identity checks failed, of {}", "عمليات التحقق من الهوية الفاشلة ل{}"),
    "verifications_open": ("Identity checks without a result, of {}", "عمليات التحقق من الهوية دون نتيجة ل{}"),
    "calls_verified": ("Calls that verified {}", "المكالمات التي أكدت هوية {}"),
    "calls_unverified": ("Calls that did not verify {}", "المكالمات التي لم تؤكد هوية {}"),
}  # fmt: skip

_MEMBERS: Mapping[str, tuple[str, str]] = {
    "card": ("card", "البطاقة"),
    "customer": ("customer", "العميل"),
    "device": ("device", "الجهاز"),
    "email": ("e-mail address", "البريد الإلكتروني"),
    "address": ("delivery address", "عنوان التوصيل"),
    "shipping_country": ("country of delivery", "بلد التوصيل"),
    "ip_country": ("country of the internet address", "بلد عنوان الإنترنت"),
    "browser": ("browser", "المتصفح"),
    "os": ("operating system", "نظام التشغيل"),
    "main_category": ("kind of goods", "نوع البضاعة"),
    "route": ("page", "الصفحة"),
}

# What is told of the order itself, and the functions of features/direct.py that tell it.
_ORDER: Mapping[str, tuple[str, str, str]] = {
    "amount": ("The order's amount", "مبلغ الطلب", "amount_usd"),
    "unit": ("Prices of the goods", "أسعار البضائع", "max_unit_usd unit_usd dearest_share"),
    "basket": ("How much is in the basket", "حجم سلة المشتريات", "quantity lines categories"),
    "goods": ("Goods that are easy to sell on", "بضائع يسهل بيعها", "resale_goods cash_like_goods"),
    "currency": ("The order's currency", "عملة الطلب", "currency_known"),
    "time": ("When the order was placed", "وقت الطلب", "hour_utc weekday_utc hour_local at_night"),
    "account": ("Whether the order was placed with an account", "الشراء بحساب أو كضيف", "has_account"),
    "promotion": ("Whether a promotion was used", "استخدام عرض ترويجي", "has_promo"),
    "gift": ("Whether the order is a gift", "كون الطلب هدية", "is_gift"),
    "cookies": ("Whether cookies were refused", "رفض ملفات تعريف الارتباط", "cookies_refused"),
    "issuer_country": (
        "Where the card was issued, beside billing and delivery", "بلد إصدار البطاقة مقارنةً ببلدي الفوترة والتوصيل",
        "issuer_is_billing_country issuer_is_shipping_country"
    ),
    "billing": (
        "Billing beside delivery", "عنوان الفوترة مقارنةً بعنوان التوصيل",
        "billing_is_shipping_country billing_is_shipping_address"
    ),
    "location": (
        "Where the order was placed from", "المكان الذي أُرسل منه الطلب",
        "ip_is_shipping_country ip_is_billing_country ip_is_issuer_country ip_distance_km ip_hours_away"
    ),
    "name": ("The name beside the e-mail address", "الاسم مقارنةً بالبريد الإلكتروني", "name_in_email"),
    "email_provider": ("The kind of e-mail provider", "نوع مزود البريد الإلكتروني", "email_provider"),
    "method": (
        "The method of payment", "طريقة الدفع",
        "method_card method_wallet method_bank_transfer method_cash_on_delivery method_voucher"
    ),
    "avs": ("The bank's check of the billing address", "تحقق البنك من عنوان الفوترة", "avs"),
    "cvv_result": ("The bank's check of the security code", "تحقق البنك من رمز الأمان", "cvv_result"),
    "three_ds": ("The cardholder's authentication (3-D Secure)", "مصادقة حامل البطاقة (3-D Secure)", "three_ds"),
}  # fmt: skip

_REFUSED: Mapping[str, tuple[str, str]] = {
    "card_number": ("A card number in a field that may hold none", "رقم بطاقة في حقل لا يجوز أن يحتويه"),
    "card_verification_value": ("A card's security code in the order", "رمز أمان البطاقة ضمن الطلب"),
    "credentials": ("A password or key in the order", "كلمة مرور أو مفتاح ضمن الطلب"),
    "duplicate_key": ("A field given twice", "حقل مكرر"),
    "empty": ("An empty order", "طلب فارغ"),
    "future_time": ("A time in the future", "وقت في المستقبل"),
    "ill_formed": ("A value of another form than expected", "قيمة بصيغة غير متوقعة"),
    "missing_field": ("A required field that is missing", "حقل مطلوب مفقود"),
    "negative_amount": ("An amount below zero", "مبلغ أقل من الصفر"),
    "past_time": ("A time too far in the past", "وقت في ماضٍ بعيد"),
    "too_deep": ("Values nested too deep", "قيم متداخلة أكثر من المسموح"),
    "too_large": ("A message that is too large", "رسالة أكبر من المسموح"),
    "undecodable": ("A message that cannot be read", "رسالة تتعذر قراءتها"),
    "unknown_field": ("A field that is not known", "حقل غير معروف"),
    "unknown_type": ("A kind of event that is not known", "نوع حدث غير معروف"),
    "wrong_topic": ("An event in the wrong place", "حدث في غير مكانه"),
    "wrong_type": ("A value of the wrong type", "قيمة من نوع خاطئ"),
}

_FALLBACK: Mapping[str, tuple[str, str]] = {
    "clear": ("Nothing in the order by itself speaks against it", "لا شيء في الطلب نفسه يدعو إلى الشك"),
    "countries": ("Countries in the order that disagree", "بلدان غير متطابقة في الطلب"),
    "avs": ("A billing address that the bank does not know", "عنوان فوترة لا يطابق بيانات البنك"),
    "cvv": ("A security code that the bank does not know", "رمز أمان لا يطابق بيانات البنك"),
    "three_ds": ("A cardholder who was not authenticated", "تعذرت مصادقة حامل البطاقة"),
    "email": ("A disposable e-mail address", "بريد إلكتروني مؤقت"),
    "currency": ("A currency without a known rate", "عملة بلا سعر صرف معروف"),
    "amount": ("An amount from which orders are reviewed", "مبلغ يستوجب المراجعة"),
}

_PARTNER = frozenset({
    "card.velocity", "card.declines", "card.spread", "card.frauds", "device.velocity", "device.declines",
    "device.spread", "ip.velocity", "ip.declines", "ip.spread", "network.velocity", "network.declines",
    "network.spread", "order.avs", "order.three_ds", COMBINED,
})  # fmt: skip
_CUSTOMER = frozenset({
    "order.avs", "order.cvv_result", "order.three_ds", "refused.card_number", "refused.card_verification_value",
    "refused.credentials",
})  # fmt: skip


def _table() -> Mapping[str, Text]:
    words = {
        f"{kind}.{topic}": (en.format(_KINDS[kind][0]), ar.format(_KINDS[kind][1]))
        for kind in _KINDS
        for topic, (en, ar) in _TOPICS.items()
    }
    words |= {
        f"{kind}.new_{member}": (f"Whether the {en} is new to {of_en}", f"حداثة اقتران {ar} ب{of_ar}")
        for kind, (of_en, of_ar) in _KINDS.items()
        for member, (en, ar) in _MEMBERS.items()
        if kind != member
    }
    words |= {f"order.{what}": (en, ar) for what, (en, ar, _) in _ORDER.items()}
    words |= {f"refused.{what}": text for what, text in _REFUSED.items()}
    words |= {f"fallback.{what}": text for what, text in _FALLBACK.items()}
    words[COMBINED] = ("Several signals together", "عدة مؤشرات مجتمعة")
    words[OTHER] = ("Other data of the order", "بيانات أخرى في الطلب")
    return {code: Text(en, ar, code in _PARTNER, code in _CUSTOMER) for code, (en, ar) in words.items()}


TEXTS: Mapping[str, Text] = _table()

_UNIT = re.compile(r"_(s|usd)$")
_BY_FUNCTION = {function: what for what, (_, _, functions) in _ORDER.items() for function in functions.split()}
_BY_SOURCE = {  # what of a source is told of under another name than its own, by how it is told
    "orders": {"count": "velocity", "burst": "velocity", "decayed": "velocity", "since_s": "velocity", "": "spend"},
    "route": {"": "visits"},
}


def code_of(name: str) -> str:
    """The code of a feature: what it tells of which entity, whatever the window; `model.other` outside the table.

    `card.orders.count.1h` is `card.velocity`, `ip.declines.share.24h` `ip.declines`, `order.hour_local` `order.time`.
    """
    entity, what, how, *_ = (*name.split("."), "", "")
    if entity == "order":
        topic = _BY_FUNCTION.get(what, "")
    elif what in _BY_SOURCE:
        topic = _BY_SOURCE[what].get(how, _BY_SOURCE[what][""])
    else:
        by_how = {"distinct": "spread", "first": f"new_{what}", "evenness": "automation", "pace_s": "automation"}
        topic = by_how.get(how, _UNIT.sub("", what))
    code = f"{entity}.{topic}"
    return code if code in TEXTS else OTHER


def text_of(code: str) -> Text:
    """What a code says. One that the table does not have, a store's own rule's, is named; nobody outside may see it."""
    return TEXTS.get(code) or Text(f"A rule of the store's own: {code}", f"قاعدة خاصة بالمتجر: {code}")


def told(reasons: Sequence[Reason], audience: Audience, language: Language) -> tuple[str, ...]:
    """The texts that somebody may see, each once; an analyst sees the numbers too."""
    if audience == "analyst":
        lines = [text_of(reason.code).within(language) + _number(reason) for reason in reasons]
    else:
        texts = [text_of(reason.code) for reason in reasons]
        lines = [text.within(language) for text in texts if (text.partner if audience == "partner" else text.customer)]
    return tuple(dict.fromkeys(lines))


def _number(reason: Reason) -> str:
    if reason.feature is None:
        return ""
    return f" ({reason.feature})" if reason.value is None else f" ({reason.feature} = {reason.value:.6g})"
