"""What opens a link without anybody meaning to decide: headers as they are seen in the wild."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.gateway.approvals.links import CHROME

_SAFARI: Final = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.6 Safari/605.1.15"
)
_EDGE: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
    "Safari/537.36 Edg/140.0.0.0"
)
_HTML: Final = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

BROWSERS: Final[Mapping[str, Mapping[str, str]]] = {
    "Chrome": {
        **CHROME,
        "sec-fetch-site": "none",
        "sec-fetch-mode": "navigate",
        "sec-fetch-user": "?1",
        "sec-fetch-dest": "document",
    },
    "Firefox": {
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0",
        "accept": _HTML,
        "sec-fetch-site": "cross-site",
    },
    "Safari": {"user-agent": _SAFARI, "accept": _HTML},
    "an in-app browser": {"user-agent": _SAFARI + " [FBAN/FBIOS]", "accept": _HTML},
    "Lynx": {"user-agent": "Lynx/2.9.2", "accept": "text/html, text/plain, text/sgml, */*;q=0.01"},
}
SCANNERS: Final[Mapping[str, Mapping[str, str]]] = {
    "Outlook Safe Links": {"user-agent": _EDGE, "accept": _HTML},
    "Microsoft SkypeUriPreview": {
        "user-agent": "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 "
        "skype-url-preview@microsoft.com",
        "accept": "*/*",
    },
    "Barracuda": {"user-agent": "BarracudaCentral/1.0", "accept": "text/html, */*"},
    "Proofpoint": {
        "user-agent": "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0)",
        "accept": "*/*",
    },
    "Mimecast": {"user-agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "accept": _HTML},
    "Google image proxy": {
        "user-agent": "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com "
        "GoogleImageProxy)",
        "accept": "image/avif,image/webp,image/*,*/*;q=0.8",
    },
    "a scanner without headers": {"user-agent": "", "accept": ""},
    "curl": {"user-agent": "curl/8.15.0", "accept": "*/*"},
    "python-requests": {
        "user-agent": "python-requests/2.32.5",
        "accept": "*/*",
        "accept-encoding": "gzip, deflate",
    },
    "Go": {"user-agent": "Go-http-client/2.0"},
}
PREVIEWS: Final[Mapping[str, Mapping[str, str]]] = {
    "Slack": {
        "user-agent": "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "accept": "*/*",
        "range": "bytes=0-32768",
    },
    "Teams": {
        "user-agent": "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
        "accept": "*/*",
    },
    "Facebook": {
        "user-agent": "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "accept": "*/*",
    },
    "WhatsApp": {"user-agent": "WhatsApp/2.24.1.84 A", "accept": "*/*"},
    "Telegram": {"user-agent": "TelegramBot (like TwitterBot)", "accept": "*/*"},
    "Discord": {
        "user-agent": "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
        "accept": "*/*",
    },
    "X": {"user-agent": "Twitterbot/1.0", "accept": "*/*"},
    "LinkedIn": {"user-agent": "LinkedInBot/1.0 (compatible; Mozilla/5.0)", "accept": "*/*"},
    "iMessage": {
        "user-agent": _SAFARI + " facebookexternalhit/1.1 Facebot Twitterbot/1.0",
        "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    },
    "Mastodon": {
        "user-agent": "Mastodon/4.4.3 (http.rb/5.3.1; +https://mastodon.example/) Bot",
        "accept": "text/html",
    },
    "oEmbed": {"user-agent": "Iframely/1.3.1", "accept": "application/json+oembed, text/xml+oembed, */*"},
    "ActivityPub": {"user-agent": "Lemmy/0.19", "accept": "application/activity+json, application/ld+json"},
    "Googlebot": {
        "user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "accept": _HTML,
    },
}
# Whatever they accept, and whatever key they send, nobody asked yet.
AHEAD: Final[Mapping[str, Mapping[str, str]]] = {
    "Chrome's prefetch": {"sec-purpose": "prefetch", "purpose": "prefetch"},
    "Chrome's prerender": {"sec-purpose": "prefetch;prerender"},
    "Chrome's private prefetch": {"sec-purpose": "prefetch;anonymous-client-ip"},
    "an older Chrome's prefetch": {"purpose": "prefetch"},
    "Firefox's prefetch": {"x-moz": "prefetch"},
    "Firefox's newer prefetch": {"sec-purpose": "prefetch", "x-moz": "prefetch"},
    "Safari's preview": {"x-purpose": "preview", "purpose": "preview"},
}
