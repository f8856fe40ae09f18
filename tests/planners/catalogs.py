"""Small catalogs as real documents would give them: a shop, a calendar with weather, a CRM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from errands_server.domain.tool import Effect, Repeat, Tool, ToolRef
from errands_server.ports import Candidate

Json = dict[str, Any]

TEXT: Json = {"type": "string"}
WHOLE: Json = {"type": "integer"}
EMAIL: Json = {"type": "string", "format": "email"}


def thing(required: str = "", **properties: Json) -> Json:
    """An object schema; `required` lists names with spaces between."""
    return {"type": "object", "properties": properties, "required": required.split()}


def listed(item: Json) -> Json:
    return {"type": "array", "items": item}


def tool(
    name: str,
    title: str,
    method: str,
    path: str,
    parameters: Json,
    output: Json | None = None,
    *,
    integration: str = "shop",
    **more: Any,
) -> Candidate:
    details: Mapping[str, Any] = {
        "effect": Effect.READ if method == "GET" else Effect.WRITE,
        "repeat": Repeat.NEVER,
        "origin": "https://api.example",
        **more,
    }
    made = Tool(
        name=name, title=title, method=method, path=path, parameters=parameters, output=output, **details
    )
    return Candidate(ToolRef(integration, 1, name), integration, made)


CUSTOMER = thing("id name email", id=TEXT, name=TEXT, email=EMAIL)
PRODUCT = thing("id name", id=TEXT, name=TEXT, price={"type": "number"})
ORDER = thing("id", id=TEXT, customer_id=TEXT, status=TEXT, total={"type": "number"})

SHOP = (
    tool(
        "listCustomers",
        "List customers",
        "GET",
        "/customers",
        thing(email={**EMAIL, "description": "Only the customer with this address"}, limit=WHOLE),
        listed(CUSTOMER),
    ),
    tool(
        "createCustomer",
        "Create a customer",
        "POST",
        "/customers",
        thing("body", body=thing("name email", name=TEXT, email=EMAIL, phone=TEXT)),
        CUSTOMER,
    ),
    tool("getCustomer", "Get a customer", "GET", "/customers/{id}", thing("id", id=TEXT), CUSTOMER),
    tool(
        "updateCustomer",
        "Update a customer",
        "PATCH",
        "/customers/{id}",
        thing("id body", id=TEXT, body=thing(name=TEXT, email=EMAIL)),
        CUSTOMER,
    ),
    tool("deleteCustomer", "Delete a customer", "DELETE", "/customers/{id}", thing("id", id=TEXT)),
    tool(
        "searchProducts",
        "Search products",
        "GET",
        "/products",
        thing(
            q={**TEXT, "description": "Words in the product's name"},
            max_price={"type": "number"},
            limit=WHOLE,
        ),
        thing(items=listed(PRODUCT)),
    ),
    tool(
        "createOrder",
        "Create an order",
        "POST",
        "/orders",
        thing(
            "body",
            body=thing(
                "customer_id product_id quantity",
                customer_id=TEXT,
                product_id=TEXT,
                quantity={**WHOLE, "minimum": 1},
                note=TEXT,
                gift={"type": "boolean", "description": "Wrap it as a gift"},
            ),
        ),
        ORDER,
    ),
    tool(
        "listOrders",
        "List orders",
        "GET",
        "/orders",
        thing(
            customer_id=TEXT,
            status={"type": "string", "enum": ["open", "paid", "shipped", "cancelled"]},
            created_after={"type": "string", "format": "date"},
            limit=WHOLE,
        ),
        listed(ORDER),
    ),
    tool("getOrder", "Get an order", "GET", "/orders/{orderId}", thing("orderId", orderId=TEXT), ORDER),
    tool("cancelOrder", "Cancel an order", "DELETE", "/orders/{orderId}", thing("orderId", orderId=TEXT)),
    tool(
        "refundOrder",
        "Refund an order",
        "POST",
        "/orders/{orderId}/refunds",
        thing("orderId body", orderId=TEXT, body=thing("amount", amount={"type": "number"}, reason=TEXT)),
        thing(id=TEXT, amount={"type": "number"}),
    ),
)

PLANNER = (
    tool(
        "getWeather",
        "Get the weather",
        "GET",
        "/weather",
        thing(
            "city",
            city={**TEXT, "description": "Name of the city"},
            date={"type": "string", "format": "date"},
            units={"type": "string", "enum": ["metric", "imperial"]},
        ),
        thing(city=TEXT, temperature={"type": "number"}, conditions=TEXT),
        integration="weather",
    ),
    tool(
        "geocode",
        "Find coordinates of a place",
        "GET",
        "/geocode",
        thing("place", place=TEXT),
        thing(latitude={"type": "number"}, longitude={"type": "number"}),
        integration="weather",
    ),
    tool(
        "getAirQuality",
        "Get air quality",
        "GET",
        "/air-quality",
        thing("latitude longitude", latitude={"type": "number"}, longitude={"type": "number"}),
        thing(index=WHOLE),
        integration="weather",
    ),
    tool(
        "createEvent",
        "Create a calendar event",
        "POST",
        "/events",
        thing(
            "body",
            body=thing(
                "title start",
                title=TEXT,
                start={"type": "string", "format": "date-time"},
                duration_minutes=WHOLE,
                location=TEXT,
                attendees=listed(EMAIL),
            ),
        ),
        thing(id=TEXT, title=TEXT),
        integration="calendar",
    ),
    tool(
        "listEvents",
        "List calendar events",
        "GET",
        "/events",
        thing(**{"from": {"type": "string", "format": "date"}, "to": {"type": "string", "format": "date"}}),
        listed(thing(id=TEXT, title=TEXT)),
        integration="calendar",
    ),
    tool(
        "deleteEvent",
        "Delete a calendar event",
        "DELETE",
        "/events/{event_id}",
        thing("event_id", event_id=TEXT),
        integration="calendar",
    ),
)

CRM = (
    tool(
        "contacts_search",
        "contacts_search",
        "",
        "",
        thing("query", query=TEXT),
        thing(data=listed(thing(id=WHOLE, full_name=TEXT, company=TEXT))),
        integration="crm",
        description="Find contacts by name or company.",
        effect=Effect.READ,
    ),
    tool(
        "deals_create",
        "deals_create",
        "",
        "",
        thing(
            "name contact_id",
            name=TEXT,
            contact_id=WHOLE,
            amount={"type": "number"},
            stage={"type": "string", "enum": ["new", "qualified", "won", "lost"]},
        ),
        thing(id=WHOLE),
        integration="crm",
        description="Open a new deal for a contact.",
    ),
    tool(
        "notes_add",
        "notes_add",
        "",
        "",
        thing("contact_id text", contact_id=WHOLE, text=TEXT),
        thing(id=WHOLE),
        integration="crm",
        description="Attach a note to a contact.",
    ),
    tool(
        "tasks_create",
        "tasks_create",
        "",
        "",
        thing(
            "title",
            title=TEXT,
            due_date={"type": "string", "format": "date"},
            priority={"type": "string", "enum": ["low", "medium", "high"]},
            tags=listed(TEXT),
        ),
        thing(id=WHOLE),
        integration="crm",
        description="Create a task.",
    ),
)
