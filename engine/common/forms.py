"""Reading a body and a query as a form says, and refusing the rest: for every door."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from rest_framework.exceptions import ValidationError
from rest_framework.views import APIView

from engine.common.errors import InvalidInput
from engine.common.fields import query_errors

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.response import Response
    from rest_framework.serializers import Serializer

    from engine.common.limits import Allowance


class FormView(APIView):
    """An address of a door that takes bodies and queries by forms."""

    # What a caller may still ask; None where no answer speaks of it.
    allowance: Allowance | None = None

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Add what every answer says: the rest of the rate limit, and not to keep it."""
        final: Response = super().finalize_response(request, response, *args, **kwargs)
        final["Cache-Control"] = "no-store"
        if self.allowance is not None:
            for name, text in self.allowance.headers.items():
                final[name] = text
        return final

    def read(self, form: type[Serializer[Any]]) -> dict[str, Any]:
        """The body, as `form` reads it. Raises DRF's ValidationError."""
        body: dict[str, Any] = _reader(form).run_validation(self.request.data)
        return body

    def query(self, form: type[Serializer[Any]]) -> dict[str, Any]:
        """The query string, as `form` reads it. Raises InvalidInput."""
        given = self.request.query_params
        twice = sorted(name for name, values in given.lists() if len(values) > 1)
        if twice:
            raise InvalidInput(f"The query names {twice[0]} more than once.")
        try:
            query: dict[str, Any] = _reader(form).run_validation(given.dict())
        except ValidationError as error:
            raise InvalidInput(
                "Some query parameters are not valid; `errors` says which.",
                # A form refuses member by member.
                errors=query_errors(cast("dict[str, Any]", error.detail)),
            ) from None
        return query


@cache
def _reader(form: type[Serializer[Any]]) -> Serializer[Any]:
    """The one instance of a form. Making another copies all of its fields, a fifth of what
    an execute costs in Python; reading with it leaves nothing behind in it.
    """
    return form()
