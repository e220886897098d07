-- Rows that a program on schema 1 left behind when it died: see process/older.py. The first
-- migration makes their tables; all instants and ids are from the first of January 2024.

INSERT INTO cloaca_attempt VALUES ('018cc251-7d4b-72ad-a7ac-b384d4396272', 'only', 1, 1, 'Completed', 1704067200938693, 1704067200938860, NULL, 0, NULL, NULL, NULL, '{"set":{"twice":42},"removed":[]}', NULL);
INSERT INTO cloaca_attempt VALUES ('018cc251-7d55-7126-ab50-42cd6dee568b', 'breaks', 1, 1, 'Failed', 1704067200942018, 1704067200942474, NULL, 0, 'ValueError', 'no money', NULL, NULL, 'Traceback (most recent call last):
  File "older.py", line 53, in breaks
    raise ValueError("no money")
ValueError: no money
');
INSERT INTO cloaca_attempt VALUES ('018cc251-7d55-7126-ab50-42cd6dee568b', 'sends', 0, 1, 'Skipped', NULL, 1704067200942504, NULL, 0, NULL, NULL, 'upstream failed: breaks', NULL, NULL);
INSERT INTO cloaca_attempt VALUES ('018cc251-7d57-70dc-9f03-74b9f8b69ada', 'again', 1, 1, 'Failed', 1704067200944093, 1704067200944372, 1704067260944372, 0, 'ConnectionError', 'not yet', NULL, NULL, 'Traceback (most recent call last):
  File "older.py", line 46, in again
    raise ConnectionError("not yet")
ConnectionError: not yet
');
INSERT INTO cloaca_attempt VALUES ('018cc251-7d58-73ad-807b-65d61110f92c', 'first', 1, 1, 'Completed', 1704067200945377, 1704067200945437, NULL, 0, NULL, NULL, NULL, '{"set":{"trail":[0,4242]},"removed":[]}', NULL);
INSERT INTO cloaca_attempt VALUES ('018cc251-7d58-73ad-807b-65d61110f92c', 'second', 1, 1, 'Running', 1704067200945950, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL);
INSERT INTO cloaca_migration VALUES (1, 'initial', '24692c38085f2e8d46d04532336225fb27858018a6569c09238e613cfbaf4ef3', 1704067200912952);
INSERT INTO cloaca_run VALUES ('018cc251-7d4b-72ad-a7ac-b384d4396272', 'public::embedded::done', '18c30fdf840808c7', 'Completed', '018cc251-7d42-7066-8121-3d1be1014043', 1, 0, 1704067200931120, 1704067200931120, 1704067200938902, NULL, 'once', '{"customer":"Änne & Söhne","kind":"first"}', NULL, '{"n":21}', '{"n":21,"twice":42}');
INSERT INTO cloaca_run VALUES ('018cc251-7d55-7126-ab50-42cd6dee568b', 'public::embedded::broken', 'bc7b35fb2c22a3b6', 'Failed', '018cc251-7d42-7066-8121-3d1be1014043', 1, 0, 1704067200941358, 1704067200941358, 1704067200942504, NULL, NULL, '{}', '1 task(s) failed, 0 completed, 1 skipped; first error: breaks: ValueError: no money', '{"paid":null}', '{"paid":null}');
INSERT INTO cloaca_run VALUES ('018cc251-7d57-70dc-9f03-74b9f8b69ada', 'public::embedded::again', 'd14d737998a08f39', 'Running', '018cc251-7d42-7066-8121-3d1be1014043', 1, 0, 1704067200943455, 1704067200943455, NULL, NULL, NULL, '{"customer":"Änne & Söhne","kind":"first"}', NULL, '{"n":9007199254740993}', NULL);
INSERT INTO cloaca_run VALUES ('018cc251-7d58-73ad-807b-65d61110f92c', 'public::embedded::chain', 'f8f4658386ed6dcf', 'Running', '018cc251-7d42-7066-8121-3d1be1014043', 1, 0, 1704067200944573, 1704067200944573, NULL, NULL, 'half', '{}', NULL, '{"trail":[0]}', NULL);
INSERT INTO cloaca_run VALUES ('018cc251-7d5b-7105-af56-4bb353565ee2', 'public::embedded::done', '18c30fdf840808c7', 'Pending', NULL, 0, 0, 1704067200947453, NULL, NULL, NULL, 'later', '{"customer":"Änne & Söhne","kind":"first"}', NULL, '{"n":4}', NULL);
INSERT INTO cloaca_run_tag VALUES ('018cc251-7d4b-72ad-a7ac-b384d4396272', 'customer', 'Änne & Söhne');
INSERT INTO cloaca_run_tag VALUES ('018cc251-7d4b-72ad-a7ac-b384d4396272', 'kind', 'first');
INSERT INTO cloaca_run_tag VALUES ('018cc251-7d57-70dc-9f03-74b9f8b69ada', 'customer', 'Änne & Söhne');
INSERT INTO cloaca_run_tag VALUES ('018cc251-7d57-70dc-9f03-74b9f8b69ada', 'kind', 'first');
INSERT INTO cloaca_run_tag VALUES ('018cc251-7d5b-7105-af56-4bb353565ee2', 'customer', 'Änne & Söhne');
INSERT INTO cloaca_run_tag VALUES ('018cc251-7d5b-7105-af56-4bb353565ee2', 'kind', 'first');
INSERT INTO cloaca_runner VALUES ('018cc251-7d42-7066-8121-3d1be1014043', '00000000-0000-4000-8000-000000000000', 'pid:[1]', 4242, 1, 0, 1704067215929423, 0, 1704067200929301);
