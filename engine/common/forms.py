"""Reading a body and a query as a form says, and refusing the rest: for every door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.views import APIView

from engine.common.errors import InvalidInput
from engine.common.fields import query_errors

if TYPE_CHECKING:
    from rest_framework.serializers import Serializer


class FormView(APIView):
    """An address of a door that takes bodies and queries by forms."""

    def read(self, form: type[Serializer[Any]]) -> dict[str, Any]:
        """The body, as `form` reads it. Raises DRF's ValidationError."""
        serializer = form(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        body: dict[str, Any] = serializer.validated_data
        return body

    def query(self, form: type[Serializer[Any]]) -> dict[str, Any]:
        """The query string, as `form` reads it. Raises InvalidInput."""
        given = self.request.query_params
        twice = sorted(name for name, values in given.lists() if len(values) > 1)
        if twice:
            raise InvalidInput(f"The query names {twice[0]} more than once.")
        serializer = form(data=given.dict())
        if not serializer.is_valid():
            raise InvalidInput(
                "Some query parameters are not valid; `errors` says which.",
                errors=query_errors(serializer.errors),
            )
        query: dict[str, Any] = serializer.validated_data
        return query
