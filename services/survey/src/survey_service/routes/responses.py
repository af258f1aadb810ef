"""What customers told us."""

from fastapi import APIRouter, Depends

from servicekit.auth import require
from servicekit.http import Session, TransactionalRoute
from survey_service.repository.responses import ResponseRow
from survey_service.rules.answers import Answers
from survey_service.schemas import (
    AnswerView,
    ResponsesBatchGet,
    ResponsesOfCustomer,
    ResponsesOfCustomers,
    ResponseView,
)
from survey_service.service import responses as service

router = APIRouter(prefix="/v1", tags=["responses"], route_class=TransactionalRoute)


@router.post("/responses:batchGet", dependencies=[Depends(require("survey:read"))])
async def batch_get_responses(body: ResponsesBatchGet, session: Session) -> ResponsesOfCustomers:
    """Return what these customers answered, newest first."""
    found = await service.responses_of_customers(session, body.customer_ids, first=body.first)
    return ResponsesOfCustomers(
        customers=[
            ResponsesOfCustomer(customer_id=customer_id, responses=[_view(response) for response in found[customer_id]])
            for customer_id in body.customer_ids
        ]
    )


def _view(response: ResponseRow) -> ResponseView:
    return ResponseView.model_validate({**vars(response), "answers": answer_views(response.answers)})


def answer_views(answers: Answers) -> list[AnswerView]:
    """Show answers in the questionnaire's order."""
    return [AnswerView(question_key=key, value=value) for key, value in answers.items()]
