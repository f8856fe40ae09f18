"""Tools as large services describe them: owners and names, tags, states, forms, and what deletes."""

from __future__ import annotations

import msgspec
import pytest

from errands_server.planners.catalog.actions import Action, action_of_tool
from errands_server.planners.catalog.outputs import OutputIndex, matching_outputs
from errands_server.planners.catalog.tool_profile import build_profile, name_words
from errands_server.ports import Candidate, Refusal
from tests.planners.catalogs import SHOP, TEXT, WHOLE, Json, thing, tool
from tests.planners.conftest import calls

HOME = "/albums/{owner}/{album}"
PLACE: Json = {"owner": {**TEXT, "description": "Who owns it"}, "album": TEXT}
PHOTO = "/photos/{n}"
EDITION = thing("version_label", version_label=TEXT, name=TEXT)
STATE: Json = {"type": "string", "enum": ["open", "closed"]}
SHELF: Json = {**TEXT, "description": "Where it stands."}


def made(
    name: str, title: str, method: str, path: str = "", body: Json | None = None, /, **more: Json
) -> Candidate:
    """A tool of an album service; its name is tagged as its operation is."""
    fields = {**PLACE, **more} | ({"body": body} if body else {})
    parameters = thing(" ".join(["owner album", *more, *(["body"] if body else [])]), **fields)
    tag = (name.partition("_")[0],)
    return tool(name, title, method, f"{HOME}{path}", parameters, integration="albums", tags=tag)


ALBUMS = (
    made("albums_get", "Get an album", "GET"),
    made("albums_delete", "Delete an album", "DELETE"),
    made("photos_list", "List photos", "GET", "/photos"),
    made("photos_update", "Update a photo", "PATCH", "/photos/{n}", thing(state=STATE, text=TEXT), n=WHOLE),
    made(
        "stickers_delete-for-photo",
        "Delete a photo sticker",
        "DELETE",
        f"{PHOTO}/stickers/{{s}}",
        n=WHOLE,
        s=TEXT,
    ),
    made("frames_delete-lock", "Delete frame lock", "DELETE", "/frames/{frame}/lock", frame=TEXT),
    made("photos_remove-all-tags", "Remove all tags from a photo", "DELETE", "/photos/{n}/tags", n=WHOLE),
    made(
        "photos_remove-tag",
        "Remove a tag from a photo",
        "DELETE",
        f"{PHOTO}/tags/{{name}}",
        n=WHOLE,
        name=TEXT,
    ),
    made("editions_create", "Create an edition", "POST", "/editions", EDITION),
    made("stars_check-album", "Check if an album is starred by the authenticated user", "GET", "/starred"),
    made(
        "stars_star-album-for-authenticated-user",
        "Star an album for the authenticated user",
        "PUT",
        "/starred",
    ),
    made("photos_unpin", "Unpin a photo", "DELETE", "/photos/{n}/pin", n=WHOLE),
    made("members_put", "Add a member", "PUT", "/members/{person}", person=TEXT),
)
WHOSE = {"owner": "ada", "album": "sea-side"}

PLANNED = [
    ("Get ada/sea-side", "albums_get", WHOSE),
    ("Get the album ada/sea-side", "albums_get", WHOSE),
    ("List the photos of ada/sea-side", "photos_list", WHOSE),
    ("Close photo 4 in ada/sea-side", "photos_update", {**WHOSE, "n": 4, "state": "closed"}),
    ("Create an edition v1.4 of ada/sea-side", "editions_create", {**WHOSE, "version_label": "v1.4"}),
    ("Star the album ada/sea-side", "stars_star-album-for-authenticated-user", WHOSE),
    ("Unpin photo 4 in ada/sea-side", "photos_unpin", {**WHOSE, "n": 4}),
    ("Add grace as a member of ada/sea-side", "members_put", {**WHOSE, "person": "grace"}),
    ("Delete the album ada/sea-side", "albums_delete", WHOSE),
    (
        "Remove the tag dusk from photo 4 in ada/sea-side",
        "photos_remove-tag",
        {**WHOSE, "n": 4, "name": "dusk"},
    ),
    ("Remove all tags from photo 4 in ada/sea-side", "photos_remove-all-tags", {**WHOSE, "n": 4}),
    (
        "Delete the frame lock of frame oak-9 in ada/sea-side",
        "frames_delete-lock",
        {**WHOSE, "frame": "oak-9"},
    ),
]


@pytest.mark.parametrize(("intent", "name", "arguments"), PLANNED, ids=[case[0] for case in PLANNED])
async def test_the_operations_of_a_tagged_service_are_found_and_given_their_place(
    ask, intent, name, arguments
):
    assert calls(await ask(intent, ALBUMS)) == [(name, arguments)]


NOT_DELETED = [
    "Delete the frame oak-9 of ada/sea-side",  # its lock is no frame
    "Delete photo 4 in ada/sea-side",  # nor is its sticker a photo, nor its pin
    "Remove grace from the album ada/sea-side",  # the album is where from
    "Delete everything in ada/sea-side",
    "Delete sea-side",
    "Remove the tag from photo 4 in ada/sea-side",  # one of them, not all
    "Photo 4 in ada/sea-side is no longer pinned",
]


@pytest.mark.parametrize("intent", NOT_DELETED)
async def test_nothing_is_deleted_but_what_stands_behind_the_verb(ask, intent):
    planned = await ask(intent, ALBUMS)

    deleting = {candidate.tool.name for candidate in ALBUMS if candidate.tool.method == "DELETE"}
    assert isinstance(planned, Refusal) or not deleting & {name for name, _ in calls(planned)}


async def test_of_what_is_deleted_only_an_identifier_is_looked_up(ask):
    ticket = thing("sha", owner=TEXT, album=TEXT, sha=TEXT)
    lookup = tool(
        "albums_state",
        "Get the state",
        "GET",
        f"{HOME}/state",
        thing("owner album", **PLACE),
        ticket,
        integration="albums",
    )
    delete = made("films_delete", "Delete a film", "DELETE", "/films/{sha}", sha=TEXT)

    assert isinstance(await ask("Delete the film of ada/sea-side", (lookup, delete)), Refusal)


DELETE_PHOTO = made("photos_delete", "Delete a photo", "DELETE", PHOTO, n=WHOLE)
DELETE_COVER = made("walls_delete-gallery-poster-cover", "Delete gallery poster cover", "DELETE", "/cover")
BARELY = [
    "Photo 4 in ada/sea-side",
    "The photo 4 of ada/sea-side looks blurred",
    "Delete the cover of ada/sea-side for the jury wants brighter colours",  # of which gallery, and where
]


@pytest.mark.parametrize("intent", BARELY)
async def test_nothing_is_deleted_on_a_middling_fit_be_the_call_ever_so_complete(ask, intent):
    assert isinstance(await ask(intent, (DELETE_PHOTO, DELETE_COVER)), Refusal)


async def test_a_verb_that_tools_have_of_their_own_is_theirs(ask):
    starred = tool(
        "stars_list-starred-albums",
        "List starred albums",
        "GET",
        f"{HOME}/starred",
        thing("owner album", **PLACE),
        tags=("stars",),
        description="Every album that is starred.",
    )

    for tools in ((starred, *ALBUMS), (*ALBUMS, starred)):
        assert calls(await ask("Star the album ada/sea-side", tools)) == [
            ("stars_star-album-for-authenticated-user", WHOSE)
        ]


async def test_a_file_goes_where_a_path_is_wanted(ask):
    note = tool("getNote", "Get a note", "GET", "/note", thing("tone path", tone=TEXT, path=TEXT))

    planned = await ask("Get the note one.md", (note,))

    assert isinstance(planned, Refusal)
    assert "'tone'" in planned.message
    assert "'path'" not in planned.message


async def test_the_verb_that_brings_about_a_state_is_no_name(ask):
    why = {"type": "string", "enum": ["sold", "reopened"]}
    update = made(
        "shows_update",
        "Update a show",
        "PATCH",
        PHOTO,
        thing(title={**TEXT, "description": "The title of the show."}, why=why),
        n=WHOLE,
    )

    assert calls(await ask("Reopen show 4 in ada/sea-side", (update,))) == [
        ("shows_update", {**WHOSE, "n": 4, "why": "reopened"})
    ]


def test_a_put_that_adds_creates_and_any_other_updates():
    by_name = {candidate.tool.name: candidate.tool for candidate in ALBUMS}

    assert action_of_tool(by_name["members_put"]) is Action.CREATE
    assert action_of_tool(by_name["stars_star-album-for-authenticated-user"]) is Action.UPDATE


async def test_an_update_that_is_not_told_what_to_change_is_refused(ask):
    assert isinstance(await ask("Update photo 4 in ada/sea-side", ALBUMS), Refusal)


async def test_no_other_action_is_taken_where_deleting_is_asked_for(ask):
    approve = made("prints_approve", "Approve a print", "POST", "/prints/{n}/approve", n=WHOLE)

    assert isinstance(await ask("Cancel print 9 in ada/sea-side", (approve, *ALBUMS)), Refusal)


async def test_a_slug_that_no_parameter_can_be_is_not_left_out(ask):
    assert isinstance(await ask("List all customers of ada/sea-side", SHOP), Refusal)


REFS = (
    tool(
        "getSpot",
        "Get a spot",
        "GET",
        "/albums/{owner}/{album}/spot/{spot}",
        thing("owner album spot", **PLACE, spot=SHELF),
        integration="spots",
        description="The `:spot` is written `walls/<wall name>` for walls and `desks/<desk name>` for desks.",
    ),
    tool(
        "deleteSpot",
        "Delete a spot",
        "DELETE",
        "/albums/{owner}/{album}/spots/{spot}",
        thing("owner album spot", **PLACE, spot=SHELF),
        integration="spots",
    ),
    made("walls_delete-paint", "Delete wall paint", "DELETE", "/walls/{wall}/paint", wall=TEXT),
)
FORMS = [
    ("Delete the wall north-east of ada/sea-side", "walls/north-east"),
    ("Delete the desk ada/left of ada/sea-side", "desks/ada/left"),
    ("Get the wall north in ada/sea-side", "walls/north"),
]


@pytest.mark.parametrize(("intent", "spot"), FORMS, ids=[case[0] for case in FORMS])
async def test_a_value_takes_the_form_its_kind_is_documented_in(ask, intent, spot):
    ((name, arguments),) = calls(await ask(intent, REFS))

    assert name == ("getSpot" if intent.startswith("Get") else "deleteSpot")
    assert arguments == {**WHOSE, "spot": spot}


async def test_a_parameter_described_in_other_words_takes_no_form_from_another_tool(ask):
    other = {**thing("owner album spot", **PLACE, spot={**TEXT, "description": "Which one."})}
    plain = tool(
        "deleteSpot",
        "Delete a spot",
        "DELETE",
        "/albums/{owner}/{album}/spots/{spot}",
        other,
        integration="plain",
    )

    assert isinstance(await ask("Delete the wall north-east of ada/sea-side", (REFS[0], plain)), Refusal)


NAMED = [
    ("orders_list-items", ("orders",), "list items"),
    ("orders_list", ("orders",), "list orders"),
    ("orders/delete-for-account", ("orders",), "delete orders for account"),
    ("likes_add-for-authenticated-user", ("likes",), "add likes"),
    ("orders_list", ("other",), "orders list"),
    ("listOrders", (), "list orders"),
]


@pytest.mark.parametrize(("name", "tags", "words"), NAMED, ids=[f"{case[0]} {case[1]}" for case in NAMED])
def test_a_name_loses_its_tag_and_who_asks(name, tags, words):
    assert name_words(msgspec.structs.replace(SHOP[0].tool, name=name, tags=tags)) == words.split()


def test_the_index_of_outputs_finds_what_a_search_of_every_tool_finds():
    profiles = [build_profile(candidate) for candidate in (*SHOP, *ALBUMS)]
    outputs = OutputIndex(profiles)

    for taker in profiles:
        for parameter in taker.inputs:
            searched = {
                s.tool.name for s in profiles if s.only_reads and any(matching_outputs(parameter, taker, s))
            }
            assert {s.tool.name for s in outputs.suppliers(parameter, taker)} == searched
