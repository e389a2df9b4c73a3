"""How the OpenAPI document describes our keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

if TYPE_CHECKING:
    from drf_spectacular.openapi import AutoSchema


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "engine.partners.authentication.ApiKeyAuthentication"
    name = "ApiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:  # noqa: ARG002 - its signature
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "sk_live_… or sk_test_…",
            "description": (
                "The key's prefix decides the mode; live and test never see each"
                " other's rows. The bare key without `Bearer` works too."
            ),
        }
