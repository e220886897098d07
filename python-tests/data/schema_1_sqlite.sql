-- Rows that a program on schema 1 left behind when it died: see process/older.py. The first
-- migration makes their tables; all instants and ids are from the first of January 2024.

INSERT INTO cloaca_migration VALUES(1,'initial','d60a0309143475db7586df74379cd123a98a4919cb4fff0db44db88c07f807e8',1704067200506617);
INSERT INTO cloaca_runner VALUES('018cc251-7ba5-7440-a913-dcdd4e5917e8','00000000-0000-4000-8000-000000000000','pid:[1]',4242,1,0,4584795394,0,1704067200509585);
INSERT INTO cloaca_run VALUES('018cc251-7ba6-75a8-acb6-3265a9c1f820','public::embedded::done','18c30fdf840808c7','Completed','018cc251-7ba5-7440-a913-dcdd4e5917e8',1,0,1704067200510557,1704067200510557,1704067200512619,NULL,'once','{"customer":"Änne & Söhne","kind":"first"}',NULL,'{"n":21}','{"n":21,"twice":42}');
INSERT INTO cloaca_run VALUES('018cc251-7ba9-71a2-8290-811a6e6f55ec','public::embedded::broken','bc7b35fb2c22a3b6','Failed','018cc251-7ba5-7440-a913-dcdd4e5917e8',1,0,1704067200513727,1704067200513727,1704067200514880,NULL,NULL,'{}','1 task(s) failed, 0 completed, 1 skipped; first error: breaks: ValueError: no money','{"paid":null}','{"paid":null}');
INSERT INTO cloaca_run VALUES('018cc251-7bab-77ae-aa49-f3e54c20c9e7','public::embedded::again','d14d737998a08f39','Running','018cc251-7ba5-7440-a913-dcdd4e5917e8',1,0,1704067200515602,1704067200515602,NULL,NULL,NULL,'{"customer":"Änne & Söhne","kind":"first"}',NULL,'{"n":9007199254740993}',NULL);
INSERT INTO cloaca_run VALUES('018cc251-7bac-74ad-af05-4492713065c1','public::embedded::chain','f8f4658386ed6dcf','Running','018cc251-7ba5-7440-a913-dcdd4e5917e8',1,0,1704067200516628,1704067200516628,NULL,NULL,'half','{}',NULL,'{"trail":[0]}',NULL);
INSERT INTO cloaca_run VALUES('018cc251-7baf-724f-bfd9-922368689b43','public::embedded::done','18c30fdf840808c7','Pending',NULL,0,0,1704067200519182,NULL,NULL,NULL,'later','{"customer":"Änne & Söhne","kind":"first"}',NULL,'{"n":4}',NULL);
INSERT INTO cloaca_attempt VALUES('018cc251-7ba6-75a8-acb6-3265a9c1f820','only',1,1,'Completed',1704067200512357,1704067200512592,NULL,0,NULL,NULL,NULL,'{"set":{"twice":42},"removed":[]}',NULL);
INSERT INTO cloaca_attempt VALUES('018cc251-7ba9-71a2-8290-811a6e6f55ec','breaks',1,1,'Failed',1704067200514521,1704067200514852,NULL,0,'ValueError','no money',NULL,NULL,replace('Traceback (most recent call last):\n  File "older.py", line 53, in breaks\n    raise ValueError("no money")\nValueError: no money\n','\n',char(10)));
INSERT INTO cloaca_attempt VALUES('018cc251-7ba9-71a2-8290-811a6e6f55ec','sends',0,1,'Skipped',NULL,1704067200514880,NULL,0,NULL,NULL,'upstream failed: breaks',NULL,NULL);
INSERT INTO cloaca_attempt VALUES('018cc251-7bab-77ae-aa49-f3e54c20c9e7','again',1,1,'Failed',1704067200516210,1704067200516461,1704067260516461,0,'ConnectionError','not yet',NULL,NULL,replace('Traceback (most recent call last):\n  File "older.py", line 46, in again\n    raise ConnectionError("not yet")\nConnectionError: not yet\n','\n',char(10)));
INSERT INTO cloaca_attempt VALUES('018cc251-7bac-74ad-af05-4492713065c1','first',1,1,'Completed',1704067200517630,1704067200517690,NULL,0,NULL,NULL,NULL,'{"set":{"trail":[0,4242]},"removed":[]}',NULL);
INSERT INTO cloaca_attempt VALUES('018cc251-7bac-74ad-af05-4492713065c1','second',1,1,'Running',1704067200518297,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO cloaca_run_tag VALUES('018cc251-7ba6-75a8-acb6-3265a9c1f820','customer','Änne & Söhne');
INSERT INTO cloaca_run_tag VALUES('018cc251-7bab-77ae-aa49-f3e54c20c9e7','customer','Änne & Söhne');
INSERT INTO cloaca_run_tag VALUES('018cc251-7baf-724f-bfd9-922368689b43','customer','Änne & Söhne');
INSERT INTO cloaca_run_tag VALUES('018cc251-7ba6-75a8-acb6-3265a9c1f820','kind','first');
INSERT INTO cloaca_run_tag VALUES('018cc251-7bab-77ae-aa49-f3e54c20c9e7','kind','first');
INSERT INTO cloaca_run_tag VALUES('018cc251-7baf-724f-bfd9-922368689b43','kind','first');
