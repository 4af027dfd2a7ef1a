from review.access.roles import GRANTS, PERMISSIONS, ROLES, WORDS, permissions


def test_every_role_has_its_grants_and_every_permission_its_words_and_somebody_who_has_it() -> None:
    assert set(GRANTS) == set(ROLES)
    assert set(WORDS) == set(PERMISSIONS)
    assert permissions(ROLES) == set(PERMISSIONS)


def test_several_roles_may_what_any_of_them_may_and_none_may_nothing() -> None:
    assert permissions(["auditor", "analyst"]) == GRANTS["auditor"] | GRANTS["analyst"]
    assert permissions([]) == frozenset()


def test_an_auditor_and_an_administrator_never_work_cases_or_see_a_customer_in_clear() -> None:
    assert not {"case.work", "case.reveal", "case.bulk"} & permissions(["auditor", "administrator"])


def test_who_alone_works_cases_downloads_no_queue() -> None:
    assert [role for role in ROLES if "queue.export" in GRANTS[role]] == ["lead", "risk_engineer", "auditor"]


def test_requests_of_the_law_are_for_privacy_officers_alone() -> None:
    for permission in ("law.read", "law.work"):
        assert [role for role in ROLES if permission in GRANTS[role]] == ["privacy_officer"]
